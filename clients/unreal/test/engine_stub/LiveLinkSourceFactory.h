#pragma once
#include "ILiveLinkSource.h"
class ULiveLinkSourceFactory {
 public:
  enum class EMenuType { MenuEntry };
  virtual ~ULiveLinkSourceFactory() = default;
  virtual FText GetSourceDisplayName() const = 0;
  virtual FText GetSourceTooltip() const = 0;
  virtual EMenuType GetMenuType() const = 0;
  virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& connection) const = 0;
};
