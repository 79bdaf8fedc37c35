// Drives a VRM or any rigged avatar in the scene from a twinsdk stream.

using System;
using System.Collections.Generic;
using System.Threading;

using UnityEngine;

namespace TwinSdk
{
    /// <summary>
    /// Put this on the avatar's root. The avatar is the file that the stream was made for (its joints
    /// are found by name), or any humanoid (joints are found through the Animator).
    /// </summary>
    public sealed class TwinReceiver : MonoBehaviour
    {
        [Tooltip("tcp://HOST:PORT of the publisher, or the line that `twinsdk keys` printed")]
        public string endpoint = "tcp://127.0.0.1:5560";
        [Tooltip("Which twin of the stream; -1 takes the first")]
        public int avatarId = -1;
        [Tooltip("Move the avatar through the scene as the person moves")]
        public bool moveRoot = true;

        /// <summary>Milliseconds from capture to now, of the last frame that arrived.</summary>
        public float LatencyMs { get; private set; }
        /// <summary>Frames received, and sequence numbers never seen.</summary>
        public ulong Received { get; private set; }
        public ulong Lost { get; private set; }
        /// <summary>Why nothing comes, empty while it does.</summary>
        public string Problem { get; private set; }

        readonly object gate = new object();
        readonly JitterBuffer buffer = new JitterBuffer();
        readonly TwinFrame shown = new TwinFrame();
        TwinDescriptor arrived, bound;
        Transform[] joints = new Transform[0];
        Quaternion[] toRig = new Quaternion[0], fromRest = new Quaternion[0];
        int[] above = new int[0];
        bool exact;
        readonly List<KeyValuePair<SkinnedMeshRenderer, int[]>> faces = new List<KeyValuePair<SkinnedMeshRenderer, int[]>>();
        Thread thread;
        volatile bool running;

        void OnEnable()
        {
            running = true;
            Problem = "";
            thread = new Thread(Receive) { IsBackground = true, Name = "twinsdk" };
            thread.Start();
        }

        void OnDisable()
        {
            running = false;
            if (thread != null) thread.Join(2000);
            thread = null;
        }

        // The network has a thread of its own, so that a slow scene does not make frames old.
        void Receive()
        {
            try
            {
                TwinKeys keys = null;
                string place = TwinToken.IsToken(endpoint) ? TwinToken.Parse(endpoint, out keys) : endpoint;
#if TWINSDK_NETMQ
                ITwinTransport transport = new NetMqTransport();
#else
                ITwinTransport transport = new LibZmqTransport();
#endif
                using (var client = new TwinClient(place, null, keys, "twinsdk Unity client", transport))
                {
                    var frame = new TwinFrame();
                    while (running)
                    {
                        if (!client.Poll(50, frame) || (avatarId >= 0 && frame.Avatar != (uint)avatarId))
                        {
                            if (client.Refusal.Length > 0) Problem = client.Refusal;
                            continue;
                        }
                        if (avatarId < 0) avatarId = (int)frame.Avatar;
                        long now = TwinClient.NowNs(), captured = client.ToLocal(frame.CaptureNs);
                        lock (gate)
                        {
                            arrived = client.Descriptor(frame.Descriptor);
                            if (client.HasClock) buffer.Add(frame, captured, now);
                            LatencyMs = (now - captured) / 1e6f;
                            Received = client.Received;
                            Lost = client.Lost;
                        }
                        frame = new TwinFrame(); // the buffer keeps the other one
                    }
                }
            }
            catch (Exception error)
            {
                Problem = error.Message;
                Debug.LogWarning("twinsdk: " + error.Message);
            }
        }

        void LateUpdate()
        {
            lock (gate)
            {
                if (arrived == null || !buffer.Sample(TwinClient.NowNs(), shown)) return;
                if (bound != arrived) Bind(arrived);
            }
            if (shown.Joints != joints.Length) return;
            if (exact) ShowExact();
            else ShowHumanoid();
            ShowFace();
        }

        // Unity's axes from glTF's: points (-x, y, z), rotations (x, -y, -z, w).
        static Vector3 Point(float[] p, int at) { return new Vector3(-p[at], p[at + 1], p[at + 2]); }

        static Quaternion Turn(float[] q, int at) { return new Quaternion(q[at], -q[at + 1], -q[at + 2], q[at + 3]); }

        void Bind(TwinDescriptor descriptor)
        {
            bound = descriptor;
            int count = descriptor.Joints.Count;
            joints = new Transform[count];
            toRig = new Quaternion[count];
            fromRest = new Quaternion[count];
            above = new int[count];
            var byName = new Dictionary<string, Transform>();
            foreach (Transform child in GetComponentsInChildren<Transform>(true))
            {
                if (!byName.ContainsKey(child.name)) byName.Add(child.name, child);
            }
            int found = 0;
            for (int j = 0; j < count; j++)
            {
                above[j] = descriptor.Joints[j].Parent;
                if (byName.TryGetValue(descriptor.Joints[j].Name, out joints[j])) found++;
            }
            exact = found == count;
            if (!exact) BindHumanoid(descriptor);
            BindFace(descriptor);
        }

        // Another rig than the stream's: each joint turns in the world as the stream's joint turns from
        // its rest, applied to where this avatar's bone is at its own rest.
        void BindHumanoid(TwinDescriptor descriptor)
        {
            var animator = GetComponentInChildren<Animator>();
            var rest = new Quaternion[descriptor.Joints.Count];
            for (int j = 0; j < descriptor.Joints.Count; j++)
            {
                TwinJoint joint = descriptor.Joints[j];
                Quaternion local = Turn(joint.Rotation, 0);
                rest[j] = joint.Parent < 0 ? local : rest[joint.Parent] * local;
                fromRest[j] = Quaternion.Inverse(rest[j]);
                joints[j] = null;
                HumanBodyBones bone;
                if (animator != null && joint.Role.Length > 0 && Bone(joint.Role, out bone)) joints[j] = animator.GetBoneTransform(bone);
                if (joints[j] != null) toRig[j] = Quaternion.Inverse(transform.rotation) * joints[j].rotation;
            }
        }

        /// <summary>Returns Unity's bone of a VRM 1.0 role; thumbs are named one joint higher.</summary>
        public static bool Bone(string role, out HumanBodyBones bone)
        {
            if (role.Contains("ThumbProximal")) role = role.Replace("ThumbProximal", "ThumbIntermediate");
            else if (role.Contains("ThumbMetacarpal")) role = role.Replace("ThumbMetacarpal", "ThumbProximal");
            return Enum.TryParse(char.ToUpperInvariant(role[0]) + role.Substring(1), out bone);
        }

        void BindFace(TwinDescriptor descriptor)
        {
            faces.Clear();
            foreach (var mesh in GetComponentsInChildren<SkinnedMeshRenderer>(true))
            {
                var slots = new int[descriptor.Expressions.Count];
                bool any = false;
                for (int i = 0; i < slots.Length; i++)
                {
                    slots[i] = mesh.sharedMesh == null ? -1 : mesh.sharedMesh.GetBlendShapeIndex(descriptor.Expressions[i]);
                    any |= slots[i] >= 0;
                }
                if (any) faces.Add(new KeyValuePair<SkinnedMeshRenderer, int[]>(mesh, slots));
            }
        }

        void ShowExact()
        {
            for (int j = 0; j < joints.Length; j++) joints[j].localRotation = Turn(shown.Rotations, 4 * j);
            // Joint 0 is placed in this object's space, whatever lies between.
            joints[0].rotation = transform.rotation * Turn(shown.Rotations, 0);
            if (moveRoot) joints[0].position = transform.TransformPoint(Point(shown.Root, 0));
        }

        void ShowHumanoid()
        {
            var world = new Quaternion[joints.Length];
            for (int j = 0; j < joints.Length; j++)
            {
                Quaternion local = Turn(shown.Rotations, 4 * j);
                world[j] = above[j] < 0 ? local : world[above[j]] * local;
                if (joints[j] == null) continue;
                joints[j].rotation = transform.rotation * (world[j] * fromRest[j]) * toRig[j];
                if (moveRoot && bound.Joints[j].Role == "hips" && above[j] < 0)
                {
                    joints[j].position = transform.TransformPoint(Point(shown.Root, 0));
                }
            }
        }

        void ShowFace()
        {
            foreach (var face in faces)
            {
                for (int i = 0; i < face.Value.Length && i < shown.Expressions.Length; i++)
                {
                    if (face.Value[i] >= 0) face.Key.SetBlendShapeWeight(face.Value[i], 100 * shown.Expressions[i]);
                }
            }
        }
    }
}
