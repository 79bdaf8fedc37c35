// What TwinClient needs of a ZeroMQ: libzmq by P/Invoke (Zmq.cs) or NetMQ (NetMqTransport.cs).

using System;

namespace TwinSdk
{
    public interface ITwinSocket : IDisposable
    {
        /// <summary>Sends if the queue has room; a message that finds none is dropped.</summary>
        void Send(byte[] data);

        /// <summary>Returns a message, null where there is none, an empty one where it was no single part.</summary>
        byte[] Receive();
    }

    public interface ITwinTransport : IDisposable
    {
        /// <summary>A DEALER to the state plane.</summary>
        ITwinSocket ConnectState(string endpoint, TwinKeys keys);

        /// <summary>A SUB to one avatar of the pose plane; Receive returns its newest message.</summary>
        ITwinSocket ConnectPose(string endpoint, byte[] topic, TwinKeys keys);

        /// <summary>Waits until one of its sockets has a message, or so many milliseconds.</summary>
        void Wait(long milliseconds);
    }
}
