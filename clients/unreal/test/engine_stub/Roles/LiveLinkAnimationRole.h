#pragma once
struct ULiveLinkAnimationRole {
  static int StaticClass() { return 1; }
};
