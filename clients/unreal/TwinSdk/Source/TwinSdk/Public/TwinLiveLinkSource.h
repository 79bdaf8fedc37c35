// A Live Link source: one subject for each twin of a stream, bones and face curves.
#pragma once

#include "CoreMinimal.h"
#include "HAL/Runnable.h"
#include "HAL/ThreadSafeBool.h"
#include "ILiveLinkSource.h"

#include <map>
#include <mutex>
#include <string>

#include "twin_client.hpp"

class FRunnableThread;
class ILiveLinkClient;

class TWINSDK_API FTwinLiveLinkSource : public ILiveLinkSource, public FRunnable
{
public:
	// Endpoint: tcp://HOST:PORT of the publisher or relay. Keys are empty for a stream without.
	explicit FTwinLiveLinkSource(const FString& InEndpoint, const twin::Keys& InKeys = twin::Keys());
	virtual ~FTwinLiveLinkSource() override;

	// ILiveLinkSource
	virtual void ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid) override;
	virtual bool IsSourceStillValid() const override;
	virtual bool RequestSourceShutdown() override;
	virtual FText GetSourceType() const override;
	virtual FText GetSourceMachineName() const override;
	virtual FText GetSourceStatus() const override;

	// FRunnable
	virtual uint32 Run() override;
	virtual void Stop() override;

private:
	void PushStatic(uint32 Avatar, const twin::Descriptor& Descriptor);
	void PushFrame(const twin::Frame& Frame, const twin::Descriptor& Descriptor, double WorldTime);
	FName SubjectOf(uint32 Avatar, const twin::Descriptor& Descriptor) const;

	FString Endpoint;
	twin::Keys Keys;
	ILiveLinkClient* Client = nullptr;
	FGuid SourceGuid;
	FRunnableThread* Thread = nullptr;
	FThreadSafeBool bStopping = false;
	FThreadSafeBool bReceiving = false;
	void Fail(const char* Words);
	FString ProblemNow() const;
	mutable std::mutex ProblemGate; // written by the thread, read by the editor
	FString Problem;
	// Static data is pushed once for each avatar: pushing again would clear Live Link's buffer.
	std::map<uint32, std::uint64_t> Pushed;
};
