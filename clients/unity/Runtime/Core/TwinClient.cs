// A receiver of twinsdk streams: newest frame wins, descriptors by hash, restarts survived.
// No UnityEngine. One thread calls Poll.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;

namespace TwinSdk
{
    /// <summary>CURVE keys as Z85 text; ClientPublic may be left out.</summary>
    public sealed class TwinKeys
    {
        public string ServerPublic, ClientPublic, ClientSecret;
    }

    public sealed class TwinClient : IDisposable
    {
        sealed class Track
        {
            public ITwinSocket Socket;
            public ulong Session;
            public uint Sequence;
            public long SendNs;
            public byte[] Waiting;
        }

        readonly string endpoint, name;
        readonly TwinKeys keys;
        readonly ITwinTransport transport;
        readonly ITwinSocket state;
        readonly Dictionary<uint, Track> tracks = new Dictionary<uint, Track>();
        readonly Dictionary<ulong, TwinDescriptor> descriptors = new Dictionary<ulong, TwinDescriptor>();
        readonly Dictionary<ulong, long> asked = new Dictionary<ulong, long>();
        readonly Queue<KeyValuePair<uint, byte[]>> ready = new Queue<KeyValuePair<uint, byte[]>>();
        readonly List<KeyValuePair<long, long>> samples = new List<KeyValuePair<long, long>>();
        long helloDueNs, pingDueNs, bestDelay = long.MaxValue, bestOffset;
        readonly Queue<float> ages = new Queue<float>();
        readonly Dictionary<uint, Welcome.Entry> offers = new Dictionary<uint, Welcome.Entry>();
        FileFetch fetch;
        long statisticsDueNs, newestNs, askedFileNs;
        ulong told;
        int pings;
        bool disposed;

        public ulong Received, Lost, Reordered, Malformed, Restarts;

        /// <summary>Why the publisher does not serve this client, empty where it does.</summary>
        public string Refusal = "";

        /// <summary>A haptic pulse came; called inside Poll.</summary>
        public Action<Haptic> OnHaptic;

        /// <param name="transport">libzmq unless given; disposed with the client.</param>
        public TwinClient(string endpoint, string stateEndpoint = null, TwinKeys keys = null,
            string name = "twinsdk C# client", ITwinTransport transport = null)
        {
            this.endpoint = endpoint;
            this.keys = keys;
            this.name = name;
            this.transport = transport ?? new LibZmqTransport();
            state = this.transport.ConnectState(stateEndpoint ?? StateOf(endpoint), keys);
        }

        /// <summary>Monotonic nanoseconds of this process.</summary>
        public static long NowNs()
        {
            return (long)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));
        }

        /// <summary>Returns the avatar of a hash, null before it arrived.</summary>
        public TwinDescriptor Descriptor(ulong hash)
        {
            TwinDescriptor found;
            return descriptors.TryGetValue(hash, out found) ? found : null;
        }

        /// <summary>Whether the publisher's clock was measured.</summary>
        public bool HasClock { get { return bestDelay != long.MaxValue; } }

        /// <summary>A time of the publisher in NowNs.</summary>
        public long ToLocal(long publisherNs) { return HasClock ? publisherNs - bestOffset : publisherNs; }

        /// <summary>Waits up to so many milliseconds; returns whether the frame was filled.</summary>
        public bool Poll(int timeoutMs, TwinFrame frame)
        {
            long deadline = NowNs() + timeoutMs * 1000000L;
            while (true)
            {
                Housekeep();
                long left = Math.Max(0, deadline - NowNs());
                long wait = ready.Count > 0 || left == 0 ? 0 : Math.Min(left / 1000000 + 1, 50);
                transport.Wait(wait);
                ServeState();
                while (ready.Count > 0)
                {
                    var message = ready.Dequeue();
                    if (Take(message.Key, message.Value, frame)) return true;
                }
                foreach (var entry in tracks)
                {
                    byte[] data = entry.Value.Socket.Receive();
                    if (data != null && Take(entry.Key, data, frame)) return true;
                }
                if (NowNs() >= deadline) return false;
            }
        }

        public void Dispose()
        {
            if (disposed) return;
            disposed = true;
            foreach (var track in tracks.Values) track.Socket.Dispose();
            state.Dispose();
            transport.Dispose();
        }

        static string StateOf(string pose)
        {
            if (pose.StartsWith("ipc://", StringComparison.Ordinal)) return pose + ".state";
            int colon = pose.LastIndexOf(':');
            int port = int.Parse(pose.Substring(colon + 1), CultureInfo.InvariantCulture);
            return pose.Substring(0, colon + 1) + (port + 1).ToString(CultureInfo.InvariantCulture);
        }

        void Follow(uint avatar)
        {
            if (tracks.ContainsKey(avatar) || tracks.Count >= 256) return;
            // A socket each: CONFLATE keeps one message over all topics of a socket.
            var topic = new byte[8] { (byte)'T', (byte)'W', (byte)'N', Wire.Version, 0, 0, 0, 0 };
            for (int i = 0; i < 4; i++) topic[4 + i] = (byte)(avatar >> (8 * i));
            tracks.Add(avatar, new Track { Socket = transport.ConnectPose(endpoint, topic, keys) });
        }

        void Housekeep()
        {
            long now = NowNs();
            if (now >= helloDueNs)
            {
                helloDueNs = now + 500000000;
                state.Send(Wire.EncodeHello(name));
            }
            if (now >= pingDueNs)
            {
                pingDueNs = now + (pings++ < 10 ? 100000000 : 1000000000);
                state.Send(Wire.EncodePing(now));
            }
            if (now >= statisticsDueNs)
            {
                statisticsDueNs = now + 1000000000;
                if (Received != told) Report(now);
            }
        }

        void Report(long now)
        {
            told = Received;
            float[] sorted = ages.ToArray();
            Array.Sort(sorted);
            state.Send(Wire.EncodeStatistics(Received, Lost, sorted[sorted.Length / 2],
                sorted[sorted.Length * 99 / 100], (now - newestNs) / 1e6f));
        }

        /// <summary>
        /// Fetches the avatar's file into a folder; call it between Polls. Returns its path once it is here and
        /// whole, null while it is on its way or where nobody gives it away.
        /// </summary>
        public string AvatarFile(uint avatar, string folder)
        {
            Welcome.Entry offer;
            if (!offers.TryGetValue(avatar, out offer)) return null;
            if (fetch == null || !fetch.IsOf(offer.File))
            {
                fetch = new FileFetch(offer.File, offer.FileBytes, folder);
                askedFileNs = 0;
            }
            if (fetch.Done) return fetch.Path;
            if (askedFileNs == 0 || NowNs() - askedFileNs > 500000000) AskFile();
            return null;
        }

        void AskFile()
        {
            askedFileNs = NowNs();
            state.Send(Wire.EncodeFileRequest(fetch.Sha256, fetch.Offset));
        }

        bool Take(uint avatar, byte[] data, TwinFrame frame)
        {
            Track track = tracks[avatar];
            try
            {
                Wire.DecodePose(data, frame);
            }
            catch (WireException error)
            {
                Malformed++;
                if (Wire.IsPose(data) && data[3] != Wire.Version) Refusal = error.Message;
                return false;
            }
            TwinDescriptor known;
            if (!descriptors.TryGetValue(frame.Descriptor, out known))
            {
                track.Waiting = data;
                Ask(frame.Descriptor);
                return false;
            }
            if (known.Joints.Count != frame.Joints)
            {
                Malformed++;
                return false;
            }
            if (frame.Session != track.Session)
            {
                if (track.Session != 0)
                {
                    Restarts++;
                    samples.Clear();
                    bestDelay = long.MaxValue;
                    helloDueNs = pingDueNs = pings = 0;
                }
            }
            else
            {
                uint step = unchecked(frame.Sequence - track.Sequence);
                if (frame.SendNs <= track.SendNs)
                {
                    if (step != 0) Reordered++;
                    return false;
                }
                if (step > 0 && step < 0x80000000u) Lost += step - 1;
            }
            track.Session = frame.Session;
            track.Sequence = frame.Sequence;
            track.SendNs = frame.SendNs;
            Received++;
            newestNs = NowNs();
            ages.Enqueue((newestNs - ToLocal(frame.CaptureNs)) / 1e6f);
            if (ages.Count > 600) ages.Dequeue();
            helloDueNs = Math.Max(helloDueNs, newestNs + 500000000);
            return true;
        }

        void Ask(ulong hash)
        {
            long now = NowNs(), before;
            bool again = asked.TryGetValue(hash, out before);
            if (again && now - before < 250000000) return;
            if (!again) state.Send(Wire.EncodeHello(name)); // perhaps a publisher that does not know us yet
            asked[hash] = now;
            state.Send(Wire.EncodeRequest(hash));
        }

        void ServeState()
        {
            byte[] data;
            while ((data = state.Receive()) != null)
            {
                long arrived = NowNs();
                object message;
                try
                {
                    message = Wire.DecodeState(data);
                }
                catch (WireException)
                {
                    Malformed++;
                    continue;
                }
                if (message is Welcome) Meet((Welcome)message);
                else if (message is TwinDescriptor)
                {
                    var descriptor = (TwinDescriptor)message;
                    if (asked.ContainsKey(descriptor.Hash)) descriptors[descriptor.Hash] = descriptor;
                    Release();
                }
                else if (message is Pong) AddSample((Pong)message, arrived);
                else if (message is Haptic) { if (OnHaptic != null) OnHaptic((Haptic)message); }
                else if (message is FileChunk)
                {
                    if (fetch != null && fetch.Add((FileChunk)message) && !fetch.Done) AskFile();
                }
                else if (message is Refusal) Refusal = ((Refusal)message).Reason;
            }
        }

        void Meet(Welcome welcome)
        {
            Refusal = "";
            foreach (var entry in welcome.Avatars)
            {
                Follow(entry.Avatar);
                if (FileFetch.Sound(entry) && offers.Count < 256) offers[entry.Avatar] = entry;
                if (!descriptors.ContainsKey(entry.Descriptor)) Ask(entry.Descriptor);
                Track track;
                if (tracks.TryGetValue(entry.Avatar, out track) && track.Session == 0) track.Waiting = entry.Newest;
            }
            Release();
        }

        // Messages that waited for their descriptor are looked at again.
        void Release()
        {
            if (descriptors.Count == 0) return;
            foreach (var entry in tracks)
            {
                if (entry.Value.Waiting == null) continue;
                ready.Enqueue(new KeyValuePair<uint, byte[]>(entry.Key, entry.Value.Waiting));
                entry.Value.Waiting = null;
            }
        }

        void AddSample(Pong pong, long t3)
        {
            long delay = t3 - pong.T0Ns - (pong.T2Ns - pong.T1Ns);
            if (delay < 0 || pong.T2Ns < pong.T1Ns) return;
            samples.Add(new KeyValuePair<long, long>(delay, (pong.T1Ns - pong.T0Ns + (pong.T2Ns - t3)) / 2));
            if (samples.Count > 16) samples.RemoveAt(0);
            bestDelay = long.MaxValue;
            foreach (var sample in samples)
            {
                if (sample.Key < bestDelay)
                {
                    bestDelay = sample.Key;
                    bestOffset = sample.Value;
                }
            }
        }
    }
}
