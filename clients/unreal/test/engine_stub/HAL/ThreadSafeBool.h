#pragma once
#include <atomic>
using FThreadSafeBool = std::atomic<bool>;
