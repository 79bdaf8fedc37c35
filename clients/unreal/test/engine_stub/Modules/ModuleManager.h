#pragma once
class FDefaultModuleImpl {};
