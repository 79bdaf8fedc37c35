#include "TwinLiveLinkSourceFactory.h"

#include "Modules/ModuleManager.h"
#include "TwinLiveLinkSource.h"

#define LOCTEXT_NAMESPACE "TwinSdk"

FText UTwinLiveLinkSourceFactory::GetSourceDisplayName() const
{
	return LOCTEXT("Name", "twinsdk");
}

FText UTwinLiveLinkSourceFactory::GetSourceTooltip() const
{
	return LOCTEXT("Tip", "A stream of twinsdk on this machine, tcp://127.0.0.1:5560; others: CreateSource");
}

TSharedPtr<ILiveLinkSource> UTwinLiveLinkSourceFactory::CreateSource(const FString& ConnectionString) const
{
	const FString Endpoint = ConnectionString.IsEmpty() ? TEXT("tcp://127.0.0.1:5560") : ConnectionString;
	return MakeShared<FTwinLiveLinkSource>(Endpoint);
}

IMPLEMENT_MODULE(FDefaultModuleImpl, TwinSdk)

#undef LOCTEXT_NAMESPACE
