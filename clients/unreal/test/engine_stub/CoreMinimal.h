// As much of Unreal as the Live Link source calls, so that it compiles and runs without the engine.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#define TWINSDK_API
#define TEXT(text) text
#define UCLASS()
#define GENERATED_BODY()
#define TCHAR_TO_UTF8(text) (text)
#define UTF8_TO_TCHAR(text) (text)
#define LOCTEXT(key, text) FText(text)
#define IMPLEMENT_MODULE(type, name)

using uint32 = std::uint32_t;
using int32 = std::int32_t;

class FString {
 public:
  FString(const char* text = "") : text_(text) {}
  bool IsEmpty() const { return text_.empty(); }
  const char* operator*() const { return text_.c_str(); }

 private:
  std::string text_;
};

class FText {
 public:
  explicit FText(const char* text = "") : text(text) {}
  static FText FromString(const FString& from) { return FText(*from); }
  std::string text;
};

class FName {
 public:
  FName(const char* text = "") : text(text) {}
  std::string text;
};

struct FGuid {};

template <typename T>
class TArray : public std::vector<T> {
 public:
  void Add(const T& value) { this->push_back(value); }
};

template <typename T>
T&& MoveTemp(T& value) {
  return static_cast<T&&>(value);
}

template <typename T>
using TSharedPtr = std::shared_ptr<T>;
template <typename T, typename... Args>
std::shared_ptr<T> MakeShared(Args&&... args) {
  return std::make_shared<T>(std::forward<Args>(args)...);
}

struct FVector {
  double X, Y, Z;
  FVector(double x, double y, double z) : X(x), Y(y), Z(z) {}
};
struct FQuat {
  double X, Y, Z, W;
  FQuat(double x, double y, double z, double w) : X(x), Y(y), Z(z), W(w) {}
};
struct FTransform {
  FQuat Rotation;
  FVector Translation;
  FTransform(const FQuat& rotation, const FVector& translation)
      : Rotation(rotation), Translation(translation) {}
};
