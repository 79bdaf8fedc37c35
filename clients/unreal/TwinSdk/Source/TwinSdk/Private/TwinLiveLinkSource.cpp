#include "TwinLiveLinkSource.h"

#include "HAL/PlatformTime.h"
#include "HAL/RunnableThread.h"
#include "ILiveLinkClient.h"
#include "LiveLinkTypes.h"
#include "Roles/LiveLinkAnimationRole.h"
#include "Roles/LiveLinkAnimationTypes.h"

#define LOCTEXT_NAMESPACE "TwinSdk"

namespace
{
FVector UnrealPlace(const twin::Vec3& Gltf)
{
	const twin::Vec3 P = twin::UnrealFromGltf(Gltf);
	return FVector(P[0], P[1], P[2]);
}

FQuat UnrealTurn(const twin::Quat& Gltf)
{
	const twin::Quat Q = twin::UnrealFromGltf(Gltf);
	return FQuat(Q[0], Q[1], Q[2], Q[3]);
}
} // namespace

FTwinLiveLinkSource::FTwinLiveLinkSource(const FString& InEndpoint, const twin::Keys& InKeys)
	: Endpoint(InEndpoint), Keys(InKeys)
{
}

FTwinLiveLinkSource::~FTwinLiveLinkSource()
{
	RequestSourceShutdown();
}

void FTwinLiveLinkSource::ReceiveClient(ILiveLinkClient* InClient, FGuid InSourceGuid)
{
	Client = InClient;
	SourceGuid = InSourceGuid;
	Thread = FRunnableThread::Create(this, TEXT("TwinLiveLink"));
}

bool FTwinLiveLinkSource::IsSourceStillValid() const
{
	return Thread != nullptr && ProblemNow().IsEmpty();
}

bool FTwinLiveLinkSource::RequestSourceShutdown()
{
	Stop();
	if (Thread != nullptr)
	{
		Thread->WaitForCompletion();
		delete Thread;
		Thread = nullptr;
	}
	return true;
}

FText FTwinLiveLinkSource::GetSourceType() const
{
	return LOCTEXT("Type", "twinsdk");
}

FText FTwinLiveLinkSource::GetSourceMachineName() const
{
	return FText::FromString(Endpoint);
}

FText FTwinLiveLinkSource::GetSourceStatus() const
{
	const FString Words = ProblemNow();
	if (!Words.IsEmpty())
	{
		return FText::FromString(Words);
	}
	return bReceiving ? LOCTEXT("Live", "Live") : LOCTEXT("Waiting", "Waiting for the publisher");
}

void FTwinLiveLinkSource::Stop()
{
	bStopping = true;
}

uint32 FTwinLiveLinkSource::Run()
{
	try
	{
		twin::Client Stream(std::string(TCHAR_TO_UTF8(*Endpoint)), std::string(), Keys, "twinsdk Unreal client");
		twin::Frame Frame;
		while (!bStopping)
		{
			bReceiving = Stream.Poll(100, Frame);
			if (!Stream.refusal().empty())
			{
				Fail(Stream.refusal().c_str());
				break;
			}
			if (!bReceiving)
			{
				continue;
			}
			const twin::Descriptor* Descriptor = Stream.descriptor(Frame.descriptor);
			const auto Known = Pushed.find(Frame.avatar);
			if (Known == Pushed.end() || Known->second != Frame.descriptor)
			{
				PushStatic(Frame.avatar, *Descriptor);
				Pushed[Frame.avatar] = Frame.descriptor;
			}
			// Live Link interpolates on world time, so it gets the time of capture, not of arrival.
			const double Age = static_cast<double>(twin::NowNs() - Stream.ToLocal(Frame.t_capture_ns)) / 1e9;
			PushFrame(Frame, *Descriptor, FPlatformTime::Seconds() - Age);
		}
	}
	catch (const zmq::error_t& Error)
	{
		Fail(Error.what());
	}
	bReceiving = false;
	return 0;
}

void FTwinLiveLinkSource::Fail(const char* Words)
{
	const std::lock_guard<std::mutex> Lock(ProblemGate);
	Problem = FString(UTF8_TO_TCHAR(Words));
}

FString FTwinLiveLinkSource::ProblemNow() const
{
	const std::lock_guard<std::mutex> Lock(ProblemGate);
	return Problem;
}

FName FTwinLiveLinkSource::SubjectOf(uint32 Avatar, const twin::Descriptor& Descriptor) const
{
	const std::string Name = Descriptor.name.empty() ? "twin" : Descriptor.name;
	const std::string Subject = Avatar == 0 ? Name : Name + " " + std::to_string(Avatar);
	return FName(UTF8_TO_TCHAR(Subject.c_str()));
}

void FTwinLiveLinkSource::PushStatic(uint32 Avatar, const twin::Descriptor& Descriptor)
{
	FLiveLinkStaticDataStruct Struct(FLiveLinkSkeletonStaticData::StaticStruct());
	FLiveLinkSkeletonStaticData& Data = *Struct.Cast<FLiveLinkSkeletonStaticData>();
	for (const twin::Joint& Joint : Descriptor.joints)
	{
		Data.BoneNames.Add(FName(UTF8_TO_TCHAR(Joint.name.c_str())));
		Data.BoneParents.Add(Joint.parent);
	}
	for (const std::string& Name : Descriptor.expressions)
	{
		Data.PropertyNames.Add(FName(UTF8_TO_TCHAR(Name.c_str())));
	}
	Client->PushSubjectStaticData_AnyThread(
		{SourceGuid, SubjectOf(Avatar, Descriptor)}, ULiveLinkAnimationRole::StaticClass(), MoveTemp(Struct));
}

void FTwinLiveLinkSource::PushFrame(const twin::Frame& Frame, const twin::Descriptor& Descriptor, double WorldTime)
{
	FLiveLinkFrameDataStruct Struct(FLiveLinkAnimationFrameData::StaticStruct());
	FLiveLinkAnimationFrameData& Data = *Struct.Cast<FLiveLinkAnimationFrameData>();
	Data.WorldTime = WorldTime;
	for (std::size_t J = 0; J < Frame.rotations.size(); ++J)
	{
		const twin::Vec3& Place = J == 0 ? Frame.root : Descriptor.joints[J].translation;
		Data.Transforms.Add(FTransform(UnrealTurn(Frame.rotations[J]), UnrealPlace(Place)));
	}
	for (const float Weight : Frame.expressions)
	{
		Data.PropertyValues.Add(Weight);
	}
	Client->PushSubjectFrameData_AnyThread({SourceGuid, SubjectOf(Frame.avatar, Descriptor)}, MoveTemp(Struct));
}

#undef LOCTEXT_NAMESPACE
