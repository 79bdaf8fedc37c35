// As much of libzmq 4.3 as a receiver needs, by P/Invoke; put libzmq for your platform into
// Assets/Plugins. No UnityEngine.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace TwinSdk
{
    public sealed class ZmqException : Exception
    {
        public ZmqException(string what) : base(what + ": " + Marshal.PtrToStringAnsi(Native.zmq_strerror(Native.zmq_errno()))) { }
    }

    static class Native
    {
#if UNITY_IOS && !UNITY_EDITOR
        const string Library = "__Internal";
#elif TWINSDK_LIBZMQ_SO5
        const string Library = "libzmq.so.5";
#else
        const string Library = "libzmq";
#endif
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern IntPtr zmq_ctx_new();
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_ctx_term(IntPtr context);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern IntPtr zmq_socket(IntPtr context, int type);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_close(IntPtr socket);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_setsockopt(IntPtr socket, int option, byte[] value, UIntPtr size);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_getsockopt(IntPtr socket, int option, byte[] value, ref UIntPtr size);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_connect(IntPtr socket, byte[] endpoint);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_send(IntPtr socket, byte[] data, UIntPtr size, int flags);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_recv(IntPtr socket, byte[] data, UIntPtr size, int flags);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_errno();
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern IntPtr zmq_strerror(int error);
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)] public static extern int zmq_poll([In, Out] byte[] items, int count, IntPtr timeoutMs);
    }

    /// <summary>
    /// Sockets to wait for, in the layout of zmq_pollitem_t: pointer, descriptor (int on POSIX, as wide
    /// as a pointer on Windows), two shorts. Written by hand since no one struct fits both.
    /// </summary>
    sealed class PollList
    {
        static readonly int EventsAt = IntPtr.Size
            + (Environment.OSVersion.Platform == PlatformID.Win32NT ? IntPtr.Size : 4);
        static readonly int ItemBytes = (EventsAt + 4 + IntPtr.Size - 1) / IntPtr.Size * IntPtr.Size;
        readonly byte[] items;
        readonly int count;

        public PollList(List<IntPtr> sockets)
        {
            count = sockets.Count;
            items = new byte[count * ItemBytes];
            for (int i = 0; i < count; i++)
            {
                byte[] pointer = IntPtr.Size == 8
                    ? BitConverter.GetBytes(sockets[i].ToInt64()) : BitConverter.GetBytes(sockets[i].ToInt32());
                Buffer.BlockCopy(pointer, 0, items, i * ItemBytes, pointer.Length);
                items[i * ItemBytes + EventsAt] = 1; // ZMQ_POLLIN
            }
        }

        /// <summary>Waits until one of them has a message, or so many milliseconds.</summary>
        public void Wait(long milliseconds) { Native.zmq_poll(items, count, (IntPtr)milliseconds); }
    }

    /// <summary>libzmq itself: the fastest, and the one whose sockets can keep the newest message only.</summary>
    public sealed class LibZmqTransport : ITwinTransport
    {
        readonly IntPtr context = Native.zmq_ctx_new();
        readonly List<IntPtr> handles = new List<IntPtr>();
        PollList waiting;

        public ITwinSocket ConnectState(string endpoint, TwinKeys keys)
        {
            return Connected(new ZmqSocket(context, ZmqSocket.Dealer, 64, 1 << 20, keys), endpoint);
        }

        public ITwinSocket ConnectPose(string endpoint, byte[] topic, TwinKeys keys)
        {
            var socket = new ZmqSocket(context, ZmqSocket.Sub, 1, 1 << 17, keys);
            socket.Conflate();
            socket.Subscribe(topic);
            return Connected(socket, endpoint);
        }

        ZmqSocket Connected(ZmqSocket socket, string endpoint)
        {
            socket.Connect(endpoint);
            handles.Add(socket.Handle);
            waiting = new PollList(handles);
            return socket;
        }

        public void Wait(long milliseconds) { waiting.Wait(milliseconds); }

        /// <summary>After its sockets.</summary>
        public void Dispose() { Native.zmq_ctx_term(context); }
    }

    sealed class ZmqSocket : ITwinSocket
    {
        public const int Sub = 2, Dealer = 5;
        const int DontWait = 1, RcvMore = 13;
        readonly byte[] buffer;

        public IntPtr Handle { get; private set; }

        public ZmqSocket(IntPtr context, int type, int queue, int limitBytes, TwinKeys keys)
        {
            Handle = Native.zmq_socket(context, type);
            if (Handle == IntPtr.Zero) throw new ZmqException("socket");
            buffer = new byte[limitBytes];
            Set(17, 0); // LINGER
            Set(23, queue); // SNDHWM
            Set(24, queue); // RCVHWM
            Set(22, (long)limitBytes); // MAXMSGSIZE
            Set(75, 1000); // HEARTBEAT_IVL
            Set(77, 3000); // HEARTBEAT_TIMEOUT
            Set(18, 50); // RECONNECT_IVL
            Set(21, 500); // RECONNECT_IVL_MAX
            if (keys != null)
            {
                Set(50, Text(keys.ServerPublic));
                Set(48, Text(keys.ClientPublic ?? Curve.PublicOf(keys.ClientSecret)));
                Set(49, Text(keys.ClientSecret));
            }
        }

        public void Conflate()
        {
            Set(12, 8192); // RCVBUF
            Set(54, 1);
        }

        public void Subscribe(byte[] topic) { Set(6, topic); }

        public void Connect(string endpoint)
        {
            if (Native.zmq_connect(Handle, Text(endpoint)) != 0) throw new ZmqException("connect " + endpoint);
        }

        public void Send(byte[] data) { Native.zmq_send(Handle, data, (UIntPtr)data.Length, DontWait); }

        public byte[] Receive()
        {
            int size = Native.zmq_recv(Handle, buffer, (UIntPtr)buffer.Length, DontWait);
            if (size < 0) return null;
            bool several = false;
            while (More())
            {
                several = true;
                if (Native.zmq_recv(Handle, new byte[1], (UIntPtr)1, DontWait) < 0) break;
            }
            if (several || size > buffer.Length) return new byte[0]; // counted as malformed
            var data = new byte[size];
            Buffer.BlockCopy(buffer, 0, data, 0, size);
            return data;
        }

        bool More()
        {
            var value = new byte[4];
            var size = (UIntPtr)4;
            return Native.zmq_getsockopt(Handle, RcvMore, value, ref size) == 0 && BitConverter.ToInt32(value, 0) != 0;
        }

        void Set(int option, int value) { Set(option, BitConverter.GetBytes(value)); }

        void Set(int option, long value) { Set(option, BitConverter.GetBytes(value)); }

        void Set(int option, byte[] value)
        {
            if (Native.zmq_setsockopt(Handle, option, value, (UIntPtr)value.Length) != 0) throw new ZmqException("option " + option);
        }

        static byte[] Text(string text) { return Encoding.UTF8.GetBytes(text + "\0"); }

        public void Dispose()
        {
            if (Handle != IntPtr.Zero) Native.zmq_close(Handle);
            Handle = IntPtr.Zero;
        }
    }

    static class Curve
    {
#if UNITY_IOS && !UNITY_EDITOR
        const string Library = "__Internal";
#elif TWINSDK_LIBZMQ_SO5
        const string Library = "libzmq.so.5";
#else
        const string Library = "libzmq";
#endif
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        static extern int zmq_curve_public(byte[] publicKey, byte[] secretKey);

        /// <summary>Returns the public key (Z85) of a secret one.</summary>
        public static string PublicOf(string secret)
        {
            var key = new byte[41];
            if (zmq_curve_public(key, Encoding.ASCII.GetBytes(secret + "\0")) != 0) throw new ZmqException("curve_public");
            return Encoding.ASCII.GetString(key, 0, 40);
        }
    }
}
