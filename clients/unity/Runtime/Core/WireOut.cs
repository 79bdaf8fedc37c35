// What a receiver sends, and the parts of an avatar's file. No UnityEngine, no sockets.

using System;

using FlatBuffers;

using W = twin.wire;

namespace TwinSdk
{
    public sealed class FileChunk
    {
        public byte[] Sha256, Data;
        public ulong Offset;
    }

    public static partial class Wire
    {
        public static byte[] EncodeHello(string client)
        {
            var builder = new FlatBufferBuilder(128);
            var name = builder.CreateString(client);
            var codecs = W.Hello.CreateCodecsVector(builder, new ushort[] { 0, 1, 2 });
            var body = W.Hello.CreateHello(builder, name, Version, Version, codecs);
            return Envelope(builder, W.Body.Hello, body.Value);
        }

        public static byte[] EncodePing(long t0Ns)
        {
            var builder = new FlatBufferBuilder(64);
            return Envelope(builder, W.Body.Ping, W.Ping.CreatePing(builder, t0Ns).Value);
        }

        public static byte[] EncodeRequest(ulong hash)
        {
            var builder = new FlatBufferBuilder(64);
            var body = W.DescriptorRequest.CreateDescriptorRequest(builder, hash);
            return Envelope(builder, W.Body.DescriptorRequest, body.Value);
        }

        public static byte[] EncodeFileRequest(byte[] sha256, ulong offset)
        {
            var builder = new FlatBufferBuilder(128);
            var hash = W.FileRequest.CreateSha256Vector(builder, sha256);
            var body = W.FileRequest.CreateFileRequest(builder, hash, offset);
            return Envelope(builder, W.Body.FileRequest, body.Value);
        }

        public static byte[] EncodeStatistics(ulong received, ulong lost, float ageP50Ms, float ageP99Ms, float heldMs)
        {
            var builder = new FlatBufferBuilder(128);
            var body = W.ClientStatistics.CreateClientStatistics(builder, received, lost, ageP50Ms, ageP99Ms, heldMs);
            return Envelope(builder, W.Body.ClientStatistics, body.Value);
        }

        static FileChunk ReadChunk(W.FileChunk table)
        {
            return new FileChunk
            {
                Sha256 = Bytes(Checked(table.Sha256Length, 32), table.Sha256), Offset = table.Offset,
                Data = Bytes(Checked(table.DataLength, FileFetch.ChunkBytes), table.Data),
            };
        }

        // Byte by byte through the checked accessor: the runtime's bulk copy checks nothing.
        static byte[] Bytes(int count, Func<int, byte> at)
        {
            if (count == 0) return null;
            var made = new byte[count];
            for (int i = 0; i < count; i++) made[i] = at(i);
            return made;
        }

        static byte[] Envelope(FlatBufferBuilder builder, W.Body kind, int body)
        {
            W.Envelope.FinishEnvelopeBuffer(builder, W.Envelope.CreateEnvelope(builder, kind, body));
            return builder.SizedByteArray();
        }
    }
}
