// The C# client without an engine, under mono:
//   golden FOLDER | damage FOLDER | jitter | live ENDPOINT_OR_TOKEN N [netmq] | file ENDPOINT FOLDER |
//   scene ENDPOINT exact|humanoid

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Threading;

using UnityEngine;

using TwinSdk;

static class CoreTest
{
    static void Check(bool condition, string what)
    {
        if (!condition) throw new Exception("failed: " + what);
    }

    static Dictionary<string, List<string>> Facts(string file)
    {
        var found = new Dictionary<string, List<string>>();
        foreach (string line in File.ReadAllLines(file))
        {
            int space = line.IndexOf(' ');
            string key = space < 0 ? line : line.Substring(0, space);
            if (!found.ContainsKey(key)) found[key] = new List<string>();
            found[key].Add(space < 0 ? "" : line.Substring(space + 1));
        }
        return found;
    }

    static float[] Numbers(string text)
    {
        return Array.ConvertAll(text.Split(' '), word => float.Parse(word, CultureInfo.InvariantCulture));
    }

    static void Near(float[] ours, float[] theirs, string what)
    {
        Check(ours.Length == theirs.Length, what);
        for (int i = 0; i < ours.Length; i++) Check(Math.Abs(ours[i] - theirs[i]) < 1e-6f, what + " " + i);
    }

    static void Golden(string folder)
    {
        foreach (string name in new[] { "float32", "packed48", "packed32" })
        {
            var said = Facts(folder + "/" + name + ".txt");
            var frame = new TwinFrame();
            Wire.DecodePose(File.ReadAllBytes(folder + "/" + name + ".bin"), frame);
            Check(((int)frame.Codec).ToString() == said["codec"][0], "codec");
            Check(frame.Session.ToString() == said["session"][0], "session");
            Check(frame.Avatar.ToString() == said["avatar"][0], "avatar");
            Check(frame.Sequence.ToString() == said["sequence"][0], "sequence");
            Check(frame.CaptureNs.ToString() == said["t_capture_ns"][0], "capture");
            Check(frame.SendNs.ToString() == said["t_send_ns"][0], "send");
            Check(frame.Descriptor.ToString() == said["descriptor"][0], "descriptor");
            Check(((int)frame.State).ToString() == said["state"][0], "state");
            Near(frame.Root, Numbers(said["root"][0]), "root");
            Check(frame.Joints == said["rotation"].Count, "joints");
            for (int j = 0; j < frame.Joints; j++)
            {
                float[] expected = Numbers(said["rotation"][j]), ours = new float[4];
                Array.Copy(frame.Rotations, 4 * j, ours, 0, 4);
                float dot = 0;
                for (int i = 0; i < 4; i++) dot += ours[i] * expected[i];
                for (int i = 0; i < 4; i++) ours[i] *= Math.Sign(dot);
                Near(ours, expected, name + " rotation " + j);
            }
            Near(frame.Expressions, Numbers(said["expressions"][0]), "expressions");
            Near(frame.JointConfidence, Numbers(said["joint_confidence"][0]), "joint confidence");
        }
        var facts = Facts(folder + "/descriptor.txt");
        var descriptor = (TwinDescriptor)Wire.DecodeState(File.ReadAllBytes(folder + "/descriptor.bin"));
        Check(descriptor.Hash.ToString() == facts["hash"][0], "hash");
        for (int j = 0; j < descriptor.Joints.Count; j++)
        {
            TwinJoint joint = descriptor.Joints[j];
            Check(joint.Name == facts["joint"][j] && joint.Role == facts["role"][j], "joint");
            Check(joint.Parent.ToString() == facts["parent"][j], "parent");
            Near(joint.Translation, Numbers(facts["translation"][j]), "translation");
            Near(joint.Rotation, Numbers(facts["rest_rotation"][j]), "rest rotation");
        }
        Check(string.Join(",", descriptor.Expressions) == string.Join(",", facts["expression"]), "expressions");
        var welcome = (Welcome)Wire.DecodeState(File.ReadAllBytes(folder + "/welcome.bin"));
        Check(welcome.Avatars.Count == 2 && welcome.Avatars[1].Newest == null, "welcome");
        Check(Convert.ToBase64String(welcome.Avatars[0].Newest)
            == Convert.ToBase64String(File.ReadAllBytes(folder + "/packed48.bin")), "newest");
        Versions(folder, descriptor, welcome);
        var pong = (Pong)Wire.DecodeState(File.ReadAllBytes(folder + "/pong.bin"));
        Check(pong.T0Ns == 1000000000123 && pong.T1Ns == -5 && pong.T2Ns == 1000000456789, "pong");
        Check(((Refusal)Wire.DecodeState(File.ReadAllBytes(folder + "/refusal.bin"))).Reason == "no", "refusal");
    }

    // Files, what the minor version before wrote, what a later one writes, and another major.
    static void Versions(string folder, TwinDescriptor descriptor, Welcome welcome)
    {
        Func<string, byte[]> bytes = name => File.ReadAllBytes(folder + "/" + name + ".bin");
        Check(FileFetch.Sound(welcome.Avatars[0]) && !FileFetch.Sound(welcome.Avatars[1]), "offers");
        var chunk = (FileChunk)Wire.DecodeState(bytes("chunk"));
        Check(Convert.ToBase64String(chunk.Sha256) == Convert.ToBase64String(welcome.Avatars[0].File), "chunk");
        var before = (Welcome)Wire.DecodeState(bytes("former/welcome"));
        Check(before.Avatars.Count == 2 && before.Avatars[0].File == null, "former welcome");
        Check(((TwinDescriptor)Wire.DecodeState(bytes("former/descriptor"))).Hash == descriptor.Hash, "former descriptor");
        Wire.DecodePose(bytes("former/packed48"), new TwinFrame());
        Check(((Pong)Wire.DecodeState(bytes("later_pong"))).T1Ns == -5, "later pong");
        Refused(() => Wire.DecodeState(bytes("later_kind")), "unknown state message");
        Refused(() => Wire.DecodePose(bytes("other_major"), new TwinFrame()), "expected wire version 1, got 2; update");
    }

    static void Refused(Action read, string words)
    {
        try
        {
            read();
        }
        catch (WireException error)
        {
            Check(error.Message.Contains(words), error.Message);
            return;
        }
        Check(false, "not refused: " + words);
    }

    static void Fetch(string endpoint, string folder)
    {
        using (var client = new TwinClient(endpoint))
        {
            var frame = new TwinFrame();
            string path = null;
            long start = TwinClient.NowNs();
            while (path == null)
            {
                Check(TwinClient.NowNs() - start < 20000000000, "no file came");
                client.Poll(20, frame);
                path = client.AvatarFile(3, folder);
            }
            Console.WriteLine(path);
            long whole = TwinClient.NowNs();
            while (TwinClient.NowNs() - whole < 1500000000) client.Poll(20, frame);
        }
    }

    static ITwinTransport Transport(string name)
    {
#if TWINSDK_NETMQ
        if (name == "netmq") return new NetMqTransport();
#endif
        return new LibZmqTransport();
    }

    static void Damage(string folder)
    {
        var random = new System.Random(7);
        int refused = 0, passed = 0;
        foreach (string name in new[] { "float32", "packed48", "packed32", "descriptor", "welcome", "hello" })
        {
            byte[] whole = File.ReadAllBytes(folder + "/" + name + ".bin");
            for (int round = 0; round < 2000; round++)
            {
                byte[] data = (byte[])whole.Clone();
                for (int hit = 0; hit < 1 + round % 6; hit++) data[random.Next(data.Length)] = (byte)random.Next(256);
                if (round % 3 == 0) Array.Resize(ref data, random.Next(data.Length));
                try
                {
                    if (Wire.IsPose(data)) Wire.DecodePose(data, new TwinFrame());
                    else Wire.DecodeState(data);
                    passed++;
                }
                catch (WireException) { refused++; }
            }
        }
        Check(refused > 1000, "refused " + refused + " passed " + passed);
    }

    static void Jitter()
    {
        var random = new System.Random(1);
        var arrivals = new List<KeyValuePair<long, long>>();
        for (int i = 0; i < 600; i++)
        {
            long captured = (long)(i * 1e9 / 60);
            arrivals.Add(new KeyValuePair<long, long>(captured + (long)((20 - 8 * Math.Log(1 - random.NextDouble())) * 1e6), captured));
        }
        arrivals.Sort((a, b) => a.Key.CompareTo(b.Key));
        var buffer = new JitterBuffer();
        var shown = new List<float>();
        var result = new TwinFrame();
        long newest = -1;
        int next = 0;
        for (long tick = 0; tick < 9000000000; tick += 1000000000 / 90)
        {
            for (; next < arrivals.Count && arrivals[next].Key <= tick; next++)
            {
                if (arrivals[next].Value <= newest) continue;
                newest = arrivals[next].Value;
                var frame = new TwinFrame { Rotations = new[] { 0f, (float)Math.Sin(newest / 2e9), 0f, (float)Math.Cos(newest / 2e9) } };
                frame.Root[0] = newest / 1e9f;
                buffer.Add(frame, newest, arrivals[next].Key);
            }
            if (buffer.Sample(tick, result)) shown.Add(result.Root[0]);
        }
        var off = new List<float>();
        for (int i = 60; i + 1 < shown.Count; i++)
        {
            Check(shown[i + 1] >= shown[i] - 1e-6f, "a step back");
            off.Add(Math.Abs(shown[i + 1] - shown[i] - 1f / 90));
        }
        off.Sort();
        Check(off[off.Count * 95 / 100] < 0.0012f, "uneven: " + off[off.Count * 95 / 100]);
    }

    static void Live(string endpoint, int count, string transport)
    {
        TwinKeys keys = null;
        if (TwinToken.IsToken(endpoint)) endpoint = TwinToken.Parse(endpoint, out keys);
        using (var client = new TwinClient(endpoint, null, keys, "test", Transport(transport)))
        {
            var frame = new TwinFrame();
            for (int i = 0; i < count; i++)
            {
                Check(client.Poll(10000, frame), "no frame came " + client.Refusal);
                Console.WriteLine(string.Format(CultureInfo.InvariantCulture, "{0} {1} {2:x16} {3} {4} {5} {6} {7}",
                    frame.Sequence, frame.Joints, client.Descriptor(frame.Descriptor).Hash,
                    TwinClient.NowNs() - client.ToLocal(frame.SendNs),
                    frame.Rotations[4], frame.Rotations[5], frame.Rotations[6], frame.Rotations[7]));
            }
            Console.Error.WriteLine("malformed " + client.Malformed);
        }
    }

    static void Call(object target, string method)
    {
        target.GetType().GetMethod(method, BindingFlags.Instance | BindingFlags.NonPublic).Invoke(target, null);
    }

    // The scene: hips, left upper arm and left lower arm under an armature; the MonoBehaviour moves them.
    static void Scene(string endpoint, string kind)
    {
        var root = new Transform("avatar", null);
        var armature = new Transform("Armature", root) { localRotation = new Quaternion(0, 1, 0, 0) };
        bool exact = kind == "exact";
        var hips = new Transform(exact ? "J hips" : "Bip01", armature);
        var upper = new Transform(exact ? "J arm" : "Bip01 L Arm", hips);
        var lower = new Transform(exact ? "J forearm" : "Bip01 L Forearm", upper);
        var animator = new Animator { transform = root };
        animator.bones[HumanBodyBones.Hips] = hips;
        animator.bones[HumanBodyBones.LeftUpperArm] = upper;
        animator.bones[HumanBodyBones.LeftLowerArm] = lower;
        var face = new SkinnedMeshRenderer { transform = root, sharedMesh = new UnityEngine.Mesh() };
        face.sharedMesh.shapes.Add("jawOpen");
        root.parts.Add(animator);
        root.parts.Add(face);
        Quaternion before = upper.rotation;
        var receiver = new TwinReceiver { endpoint = endpoint, transform = root };
        Call(receiver, "OnEnable");
        for (int i = 0; i < 400 && !(receiver.Received > 20 && face.weights.Count > 0); i++)
        {
            Thread.Sleep(25);
            Call(receiver, "LateUpdate");
        }
        for (int i = 0; i < 40; i++)
        {
            Thread.Sleep(11);
            Call(receiver, "LateUpdate");
        }
        Call(receiver, "OnDisable");
        Check(receiver.Problem == "", receiver.Problem);
        Quaternion arm = upper.rotation * Quaternion.Inverse(exact ? new Quaternion(0, 0, 0, 1) : before);
        Vector3 place = hips.position;
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture, "{0} {1} {2} {3} {4} {5} {6} {7}",
            arm.x, arm.y, arm.z, arm.w, place.x, place.y, place.z, face.weights[0]));
    }

    static int Main(string[] words)
    {
        try
        {
            if (words[0] == "golden") Golden(words[1]);
            else if (words[0] == "damage") Damage(words[1]);
            else if (words[0] == "jitter") Jitter();
            else if (words[0] == "live") Live(words[1], int.Parse(words[2], CultureInfo.InvariantCulture), words.Length > 3 ? words[3] : "");
            else if (words[0] == "file") Fetch(words[1], words[2]);
            else if (words[0] == "scene") Scene(words[1], words[2]);
            else return 2;
            return 0;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error);
            return 1;
        }
    }
}
