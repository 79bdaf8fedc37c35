// Messages of twinsdk to and from plain C# types. No UnityEngine, no sockets; see docs/wire.md.

using System;
using System.Collections.Generic;

using FlatBuffers;

using W = twin.wire;

namespace TwinSdk
{
    /// <summary>A message that makes no sense; it is dropped and counted.</summary>
    public sealed class WireException : Exception
    {
        public WireException(string message) : base(message) { }
    }

    public enum TwinState { Tracking = 0, Partial = 1, Holding = 2, Idle = 3, Generated = 4 }

    public enum TwinCodec { Float32 = 0, Packed48 = 1, Packed32 = 2 }

    /// <summary>
    /// One twin at one instant. Rotations are xyzw, four numbers a joint, parent_from_joint, and
    /// replace the rest rotations; axes are glTF's, metres; times are the publisher's nanoseconds.
    /// </summary>
    public sealed class TwinFrame
    {
        public uint Avatar, Sequence;
        public ulong Session, Descriptor;
        public long CaptureNs, SendNs;
        public TwinCodec Codec;
        public TwinState State;
        public float Confidence;
        public readonly float[] Root = new float[3];
        public float[] Rotations = new float[0];
        public float[] Expressions = new float[0];
        public float[] JointConfidence = new float[0];

        public int Joints { get { return Rotations.Length / 4; } }
    }

    public sealed class TwinJoint
    {
        public string Name = "", Role = "";
        public int Parent;
        public float[] Translation = new float[3];
        public float[] Rotation = { 0, 0, 0, 1 };
    }

    public sealed class TwinDescriptor
    {
        public ulong Hash;
        public string Name = "";
        public readonly List<TwinJoint> Joints = new List<TwinJoint>();
        public readonly List<string> Expressions = new List<string>();
        public readonly List<string> Morphs = new List<string>();
    }

    public sealed class Welcome
    {
        public sealed class Entry
        {
            public uint Avatar;
            public ulong Descriptor;
            public byte[] Newest; // null before the first frame
            public byte[] File; // SHA-256 of the avatar's file, null where it is not given away
            public ulong FileBytes;
        }

        public ulong Session;
        public long NowNs;
        public string PoseEndpoint = "";
        public readonly List<Entry> Avatars = new List<Entry>();
    }

    public sealed class Pong { public long T0Ns, T1Ns, T2Ns; }

    public sealed class Haptic { public int Device; public float Amplitude, DurationS; }

    public sealed class Refusal { public string Reason = ""; }

    public static partial class Wire
    {
        public const byte Version = 1;
        public const int PrefixBytes = 16, MaxJoints = 4096, MaxList = 4096;

        public static bool IsPose(byte[] data)
        {
            return data.Length >= PrefixBytes && data[0] == 'T' && data[1] == 'W' && data[2] == 'N';
        }

        /// <summary>Fills a frame from a pose message; its arrays are used again where they fit.</summary>
        /// <exception cref="WireException">The message is malformed or of another version.</exception>
        public static void DecodePose(byte[] data, TwinFrame frame)
        {
            if (!IsPose(data) || data.Length < PrefixBytes + 12) throw new WireException("not a pose message");
            if (data[3] != Version)
            {
                throw new WireException("expected wire version " + Version + ", got " + data[3]
                    + "; update the receiver or the sender");
            }
            if (data[20] != 'T' || data[21] != 'W' || data[22] != 'N' || data[23] != 'P')
            {
                throw new WireException("not a pose");
            }
            try
            {
                ReadPose(data, frame);
            }
            catch (ArgumentException error) { throw new WireException("malformed: " + error.Message); }
            catch (IndexOutOfRangeException error) { throw new WireException("malformed: " + error.Message); }
            catch (OverflowException error) { throw new WireException("malformed: " + error.Message); }
        }

        static void ReadPose(byte[] data, TwinFrame frame)
        {
            var buffer = new ByteBuffer(data, PrefixBytes);
            var pose = W.PoseFrame.GetRootAsPoseFrame(buffer);
            frame.Avatar = BitConverter.ToUInt32(data, 4);
            frame.Sequence = BitConverter.ToUInt32(data, 8);
            int codec = BitConverter.ToUInt16(data, 14);
            if (pose.Avatar != frame.Avatar || pose.Sequence != frame.Sequence)
            {
                throw new WireException("the prefix and the body disagree");
            }
            frame.Codec = (TwinCodec)codec;
            frame.Session = pose.Session;
            frame.Descriptor = pose.Descriptor;
            frame.CaptureNs = pose.TCaptureNs;
            frame.SendNs = pose.TSendNs;
            frame.Confidence = pose.Confidence;
            if ((int)pose.State > 4) throw new WireException("an unknown state");
            frame.State = (TwinState)pose.State;
            var root = pose.Root;
            frame.Root[0] = root.HasValue ? root.Value.X : 0;
            frame.Root[1] = root.HasValue ? root.Value.Y : 0;
            frame.Root[2] = root.HasValue ? root.Value.Z : 0;
            float sum = frame.Root[0] + frame.Root[1] + frame.Root[2];
            if (float.IsNaN(sum) || float.IsInfinity(sum)) throw new WireException("no finite root");
            if (!(frame.Confidence >= 0 && frame.Confidence <= 1)) throw new WireException("no confidence in [0, 1]");
            if (codec == 0) ReadExact(pose, frame);
            else if (codec == 1) Read48(pose, frame);
            else if (codec == 2) Read32(pose, frame);
            else throw new WireException("an unknown codec " + codec);
            ReadWeights(pose, frame, codec);
        }

        static void ReadExact(W.PoseFrame pose, TwinFrame frame)
        {
            int joints = JointsOf(pose.RotationsF32Length, 4);
            Fit(ref frame.Rotations, 4 * joints);
            for (int j = 0; j < joints; j++)
            {
                float x = pose.RotationsF32(4 * j), y = pose.RotationsF32(4 * j + 1);
                float z = pose.RotationsF32(4 * j + 2), w = pose.RotationsF32(4 * j + 3);
                float length = (float)Math.Sqrt(x * x + y * y + z * z + w * w);
                if (!(Math.Abs(length - 1) < 2e-3f)) throw new WireException("a rotation is not unit");
                frame.Rotations[4 * j] = x / length;
                frame.Rotations[4 * j + 1] = y / length;
                frame.Rotations[4 * j + 2] = z / length;
                frame.Rotations[4 * j + 3] = w / length;
            }
        }

        static void Read48(W.PoseFrame pose, TwinFrame frame)
        {
            int joints = JointsOf(pose.Rotations48Length, 3);
            Fit(ref frame.Rotations, 4 * joints);
            for (int j = 0; j < joints; j++)
            {
                int a = pose.Rotations48(3 * j), b = pose.Rotations48(3 * j + 1), c = pose.Rotations48(3 * j + 2);
                int dropped = (a >> 15) << 1 | b >> 15;
                Restore(frame.Rotations, 4 * j, dropped, a & 0x7fff, b & 0x7fff, c & 0x7fff, 32767f);
            }
        }

        static void Read32(W.PoseFrame pose, TwinFrame frame)
        {
            int joints = JointsOf(pose.Rotations32Length, 1);
            Fit(ref frame.Rotations, 4 * joints);
            for (int j = 0; j < joints; j++)
            {
                uint w = pose.Rotations32(j);
                Restore(frame.Rotations, 4 * j, (int)(w >> 30), (int)(w >> 20 & 1023), (int)(w >> 10 & 1023),
                    (int)(w & 1023), 1023f);
            }
        }

        // Smallest three: the dropped component is what is missing to unit length.
        static void Restore(float[] q, int at, int dropped, int a, int b, int c, float steps)
        {
            float x = (a / steps - 0.5f) * 1.41421356f;
            float y = (b / steps - 0.5f) * 1.41421356f;
            float z = (c / steps - 0.5f) * 1.41421356f;
            float square = x * x + y * y + z * z;
            if (square > 1)
            {
                float scale = 1 / (float)Math.Sqrt(square);
                x *= scale;
                y *= scale;
                z *= scale;
            }
            float rest = square < 1 ? (float)Math.Sqrt(1 - square) : 0;
            int k = 0;
            for (int i = 0; i < 4; i++)
            {
                q[at + i] = i == dropped ? rest : k == 0 ? x : k == 1 ? y : z;
                if (i != dropped) k++;
            }
        }

        static void ReadWeights(W.PoseFrame pose, TwinFrame frame, int codec)
        {
            int count = codec == 0 ? pose.ExpressionsF32Length : pose.ExpressionsU8Length;
            if (count < 0 || count > MaxList) throw new WireException("too many expressions");
            Fit(ref frame.Expressions, count);
            for (int i = 0; i < count; i++)
            {
                float value = codec == 0 ? pose.ExpressionsF32(i) : pose.ExpressionsU8(i) / 255f;
                if (!(value >= 0 && value <= 1)) throw new WireException("an expression is outside [0, 1]");
                frame.Expressions[i] = value;
            }
            int sure = pose.JointConfidenceLength;
            if (sure != 0 && sure != frame.Joints) throw new WireException("joint confidence of another length");
            Fit(ref frame.JointConfidence, frame.Joints);
            for (int j = 0; j < frame.Joints; j++)
            {
                frame.JointConfidence[j] = sure == 0 ? frame.Confidence : pose.JointConfidence(j) / 255f;
            }
        }

        static int JointsOf(int numbers, int perJoint)
        {
            int joints = numbers / perJoint;
            if (numbers < perJoint || joints > MaxJoints || joints * perJoint != numbers)
            {
                throw new WireException("expected 1 to " + MaxJoints + " joints, got " + numbers + " numbers");
            }
            return joints;
        }

        static void Fit(ref float[] array, int count)
        {
            if (array.Length != count) array = new float[count];
        }

        /// <summary>Returns a Welcome, TwinDescriptor, Pong, Haptic, FileChunk or Refusal.</summary>
        /// <exception cref="WireException">It is malformed or of a kind unknown here.</exception>
        public static object DecodeState(byte[] data)
        {
            try
            {
                var buffer = new ByteBuffer(data);
                if (data.Length < 12 || !W.Envelope.EnvelopeBufferHasIdentifier(buffer))
                {
                    throw new WireException("not a state message");
                }
                return ReadState(W.Envelope.GetRootAsEnvelope(buffer));
            }
            catch (ArgumentException error) { throw new WireException("malformed: " + error.Message); }
            catch (IndexOutOfRangeException error) { throw new WireException("malformed: " + error.Message); }
            catch (InvalidOperationException error) { throw new WireException("malformed: " + error.Message); }
            catch (OverflowException error) { throw new WireException("malformed: " + error.Message); }
        }

        static object ReadState(W.Envelope envelope)
        {
            switch (envelope.BodyType)
            {
                case W.Body.Welcome:
                    return ReadWelcome(envelope.BodyAsWelcome());
                case W.Body.AvatarDescriptor:
                    return ReadDescriptor(envelope.BodyAsAvatarDescriptor());
                case W.Body.Pong:
                    var pong = envelope.BodyAsPong();
                    return new Pong { T0Ns = pong.T0Ns, T1Ns = pong.T1Ns, T2Ns = pong.T2Ns };
                case W.Body.Haptic:
                    var haptic = envelope.BodyAsHaptic();
                    return new Haptic
                    {
                        Device = (int)haptic.Kind, Amplitude = haptic.Amplitude, DurationS = haptic.DurationS,
                    };
                case W.Body.FileChunk:
                    return ReadChunk(envelope.BodyAsFileChunk());
                case W.Body.Refusal:
                    return new Refusal { Reason = envelope.BodyAsRefusal().Reason ?? "" };
                default:
                    throw new WireException("an unknown state message " + envelope.BodyType);
            }
        }

        static Welcome ReadWelcome(W.Welcome table)
        {
            var welcome = new Welcome
            {
                Session = table.Session, NowNs = table.NowNs, PoseEndpoint = table.PoseEndpoint ?? "",
            };
            for (int i = 0; i < Checked(table.AvatarsLength, MaxList); i++)
            {
                var item = table.Avatars(i).Value;
                var entry = new Welcome.Entry { Avatar = item.Avatar, Descriptor = item.Descriptor };
                entry.Newest = Bytes(Checked(item.NewestLength, 1 << 17), item.Newest);
                entry.File = Bytes(Checked(item.FileLength, 32), item.File);
                entry.FileBytes = item.FileBytes;
                welcome.Avatars.Add(entry);
            }
            return welcome;
        }

        static TwinDescriptor ReadDescriptor(W.AvatarDescriptor table)
        {
            if (table.Axes != W.Axes.RightHandedYUpFacingZMetres) throw new WireException("the avatar is in unknown axes");
            var descriptor = new TwinDescriptor { Hash = table.Hash, Name = table.Name ?? "" };
            for (int j = 0; j < Checked(table.JointsLength, MaxJoints); j++)
            {
                var item = table.Joints(j).Value;
                if (item.Parent >= j || (j > 0 && item.Parent < 0)) throw new WireException("joints are out of order");
                var t = item.Translation.Value;
                var r = item.Rotation.Value;
                descriptor.Joints.Add(new TwinJoint
                {
                    Name = item.Name ?? "", Role = item.Role ?? "", Parent = item.Parent,
                    Translation = new[] { t.X, t.Y, t.Z }, Rotation = new[] { r.X, r.Y, r.Z, r.W },
                });
            }
            for (int i = 0; i < Checked(table.ExpressionsLength, MaxList); i++) descriptor.Expressions.Add(table.Expressions(i) ?? "");
            for (int i = 0; i < Checked(table.MorphsLength, MaxList); i++) descriptor.Morphs.Add(table.Morphs(i) ?? "");
            return descriptor;
        }

        static int Checked(int count, int most)
        {
            if (count < 0 || count > most) throw new WireException("a list of " + count);
            return count;
        }
    }
}
