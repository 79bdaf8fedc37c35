// The entry in Live Link's *Add Source* menu: type the endpoint, get the source.
#pragma once

#include "CoreMinimal.h"
#include "LiveLinkSourceFactory.h"

#include "TwinLiveLinkSourceFactory.generated.h"

UCLASS()
class TWINSDK_API UTwinLiveLinkSourceFactory : public ULiveLinkSourceFactory
{
	GENERATED_BODY()

public:
	virtual FText GetSourceDisplayName() const override;
	virtual FText GetSourceTooltip() const override;
	virtual EMenuType GetMenuType() const override { return EMenuType::MenuEntry; }
	virtual TSharedPtr<ILiveLinkSource> CreateSource(const FString& ConnectionString) const override;
};
