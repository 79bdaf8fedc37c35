// As much of NetMQ 4.0.1's public names as NetMqTransport uses, over libzmq: enough to compile the
// adapter and to run its reading to the newest, waiting and keys against a live publisher.
#if TWINSDK_NETMQ

using System;
using System.Collections.Generic;
using System.Text;

using TwinSdk;

namespace NetMQ
{
    [Flags]
    public enum PollEvents { None = 0, PollIn = 1, PollOut = 2, PollError = 4 }

    public class NetMQCertificate
    {
        public byte[] SecretKey { get; private set; }
        public byte[] PublicKey { get; private set; }

        public NetMQCertificate FromSecretKey(byte[] secretKey) { return new NetMQCertificate { SecretKey = secretKey }; }
    }

    public class SocketOptions
    {
        readonly NetMQSocket socket;

        public SocketOptions(NetMQSocket socket) { this.socket = socket; }

        public TimeSpan Linger { set { Set(17, value); } }
        public TimeSpan HeartbeatInterval { set { Set(75, value); } }
        public TimeSpan HeartbeatTimeout { set { Set(77, value); } }
        public TimeSpan ReconnectInterval { set { Set(18, value); } }
        public TimeSpan ReconnectIntervalMax { set { Set(21, value); } }
        public int SendHighWatermark { set { Set(23, value); } }
        public int ReceiveHighWatermark { set { Set(24, value); } }
        public int ReceiveBuffer { set { Set(12, value); } }
        public long MaxMsgSize { set { Set(22, BitConverter.GetBytes(value)); } }
        public byte[] CurveServerKey { set { Set(50, value); } }

        public NetMQCertificate CurveCertificate
        {
            set
            {
                var secret = new byte[41];
                Stub.zmq_z85_encode(secret, value.SecretKey, (UIntPtr)32);
                string open = Curve.PublicOf(Encoding.ASCII.GetString(secret, 0, 40));
                Set(48, TwinToken.Decode(open));
                Set(49, value.SecretKey);
            }
        }

        void Set(int option, TimeSpan value) { Set(option, (int)value.TotalMilliseconds); }

        void Set(int option, int value) { Set(option, BitConverter.GetBytes(value)); }

        void Set(int option, byte[] value)
        {
            if (Native.zmq_setsockopt(socket.Handle, option, value, (UIntPtr)value.Length) != 0) throw new ZmqException("option");
        }
    }

    static class Stub
    {
        public static readonly IntPtr Context = Native.zmq_ctx_new();

        [System.Runtime.InteropServices.DllImport("libzmq.so.5")]
        public static extern IntPtr zmq_z85_encode(byte[] made, byte[] data, UIntPtr size);
    }

    public abstract class NetMQSocket : IDisposable
    {
        public IntPtr Handle { get; private set; }
        public SocketOptions Options { get; private set; }

        protected NetMQSocket(int type)
        {
            Handle = Native.zmq_socket(Stub.Context, type);
            Options = new SocketOptions(this);
        }

        public void Connect(string address)
        {
            if (Native.zmq_connect(Handle, Encoding.UTF8.GetBytes(address + "\0")) != 0) throw new ZmqException("connect");
        }

        public void Dispose() { Native.zmq_close(Handle); }
    }

    public static class SocketExtensions
    {
        public static bool TrySendFrame(this NetMQSocket socket, byte[] data, bool more = false)
        {
            return Native.zmq_send(socket.Handle, data, (UIntPtr)data.Length, more ? 3 : 1) >= 0;
        }

        public static bool TryReceiveFrameBytes(this NetMQSocket socket, out byte[] bytes, out bool more)
        {
            var buffer = new byte[1 << 20];
            int size = Native.zmq_recv(socket.Handle, buffer, (UIntPtr)buffer.Length, 1);
            bytes = null;
            more = false;
            if (size < 0) return false;
            Array.Resize(ref buffer, Math.Min(size, buffer.Length));
            bytes = buffer;
            var value = new byte[4];
            var length = (UIntPtr)4;
            more = Native.zmq_getsockopt(socket.Handle, 13, value, ref length) == 0 && value[0] != 0;
            return true;
        }
    }

    public sealed class NetMQSelector
    {
        public sealed class Item
        {
            public NetMQSocket Socket { get; private set; }
            public PollEvents Event { get; private set; }

            public Item(NetMQSocket socket, PollEvents @event)
            {
                Socket = socket;
                Event = @event;
            }
        }

        public bool Select(Item[] items, int itemsCount, long timeout)
        {
            var handles = new List<IntPtr>();
            for (int i = 0; i < itemsCount; i++) handles.Add(items[i].Socket.Handle);
            new PollList(handles).Wait(timeout);
            return true;
        }
    }
}

namespace NetMQ.Sockets
{
    public sealed class DealerSocket : NetMQSocket
    {
        public DealerSocket() : base(5) { }
    }

    public sealed class SubscriberSocket : NetMQSocket
    {
        public SubscriberSocket() : base(2) { }

        public void Subscribe(byte[] topic)
        {
            if (Native.zmq_setsockopt(Handle, 6, topic, (UIntPtr)topic.Length) != 0) throw new ZmqException("subscribe");
        }
    }
}

#endif
