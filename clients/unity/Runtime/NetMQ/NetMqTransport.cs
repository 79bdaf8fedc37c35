// NetMQ instead of libzmq, where no native library may be shipped: define TWINSDK_NETMQ and put NetMQ
// 4.0.1 or later (NetMQ.dll, AsyncIO.dll, NaCl.dll) into Assets/Plugins. Its sockets keep no newest message
// only, so Receive reads until nothing is left.
#if TWINSDK_NETMQ

using System;
using System.Collections.Generic;

using NetMQ;
using NetMQ.Sockets;

namespace TwinSdk
{
    public sealed class NetMqTransport : ITwinTransport
    {
        sealed class Line : ITwinSocket
        {
            public readonly NetMQSocket Socket;
            readonly bool newestOnly;

            public Line(NetMQSocket socket, bool newestOnly)
            {
                Socket = socket;
                this.newestOnly = newestOnly;
            }

            public void Send(byte[] data) { Socket.TrySendFrame(data); }

            public byte[] Receive()
            {
                byte[] newest = null, data;
                bool more;
                while (Socket.TryReceiveFrameBytes(out data, out more))
                {
                    newest = data;
                    while (more && Socket.TryReceiveFrameBytes(out data, out more)) newest = new byte[0];
                    if (!newestOnly) break;
                }
                return newest;
            }

            public void Dispose() { Socket.Dispose(); }
        }

        readonly NetMQSelector selector = new NetMQSelector();
        readonly List<NetMQSelector.Item> waiting = new List<NetMQSelector.Item>();

        public ITwinSocket ConnectState(string endpoint, TwinKeys keys)
        {
            return Connected(new DealerSocket(), 64, 1 << 20, endpoint, keys, false);
        }

        public ITwinSocket ConnectPose(string endpoint, byte[] topic, TwinKeys keys)
        {
            var socket = new SubscriberSocket();
            socket.Options.ReceiveBuffer = 8192;
            ITwinSocket line = Connected(socket, 4, 1 << 17, endpoint, keys, true);
            socket.Subscribe(topic);
            return line;
        }

        ITwinSocket Connected(NetMQSocket socket, int queue, int limitBytes, string endpoint, TwinKeys keys, bool newestOnly)
        {
            SocketOptions options = socket.Options;
            options.Linger = TimeSpan.Zero;
            options.SendHighWatermark = queue;
            options.ReceiveHighWatermark = queue;
            options.MaxMsgSize = limitBytes;
            options.HeartbeatInterval = TimeSpan.FromSeconds(1);
            options.HeartbeatTimeout = TimeSpan.FromSeconds(3);
            options.ReconnectInterval = TimeSpan.FromMilliseconds(50);
            options.ReconnectIntervalMax = TimeSpan.FromMilliseconds(500);
            if (keys != null)
            {
                options.CurveServerKey = TwinToken.Decode(keys.ServerPublic);
                // The public key is derived from the secret one; FromSecretKey is no static method in NetMQ.
                options.CurveCertificate = new NetMQCertificate().FromSecretKey(TwinToken.Decode(keys.ClientSecret));
            }
            socket.Connect(endpoint);
            waiting.Add(new NetMQSelector.Item(socket, PollEvents.PollIn));
            return new Line(socket, newestOnly);
        }

        public void Wait(long milliseconds) { selector.Select(waiting.ToArray(), waiting.Count, milliseconds); }

        /// <summary>After its sockets.</summary>
        public void Dispose() { waiting.Clear(); }
    }
}

#endif
