using System.IO;
using UnrealBuildTool;

// ThirdParty/include holds zmq.h, zmq.hpp (cppzmq) and flatbuffers/ (2.0.8, as twin_generated.h asks);
// ThirdParty/lib the libzmq 4.3 of each platform. See clients/unreal/README.md.
public class TwinSdk : ModuleRules
{
    public TwinSdk(ReadOnlyTargetRules Target) : base(Target)
    {
        PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
        CppStandard = CppStandardVersion.Cpp17;
        bEnableExceptions = true; // cppzmq reports errors by exceptions; none leaves this module
        PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine", "LiveLinkInterface" });
        PrivateDependencyModuleNames.AddRange(new[] { "Slate", "SlateCore" });
        string thirdParty = Path.Combine(ModuleDirectory, "ThirdParty");
        PublicSystemIncludePaths.Add(Path.Combine(thirdParty, "include"));
        string library = Target.Platform == UnrealTargetPlatform.Win64 ? "libzmq.lib" : "libzmq.a";
        PublicAdditionalLibraries.Add(Path.Combine(thirdParty, "lib", Target.Platform.ToString(), library));
        if (Target.Platform == UnrealTargetPlatform.Win64)
        {
            PublicSystemLibraries.AddRange(new[] { "ws2_32.lib", "iphlpapi.lib", "advapi32.lib" });
            PublicDefinitions.Add("ZMQ_STATIC=1");
        }
    }
}
