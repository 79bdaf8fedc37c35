// An avatar's file on its way into a folder: in chunks, going on where an earlier try stopped, and
// shown only when its SHA-256 is the one that was offered. No UnityEngine, no sockets.

using System;
using System.IO;
using System.Security.Cryptography;
using System.Text;

namespace TwinSdk
{
    public sealed class FileFetch
    {
        public const int ChunkBytes = 1 << 17, MaxFileBytes = 1 << 28;

        readonly ulong bytes;
        readonly string part;

        public byte[] Sha256 { get; private set; }
        public ulong Offset { get; private set; }
        public bool Done { get; private set; }
        public string Path { get; private set; }

        public FileFetch(byte[] sha256, ulong bytes, string folder)
        {
            Sha256 = sha256;
            this.bytes = bytes;
            var name = new StringBuilder(); // nothing the sender says becomes part of a path
            foreach (byte b in sha256) name.Append(b.ToString("x2"));
            Path = System.IO.Path.Combine(folder, name + ".vrm");
            part = System.IO.Path.Combine(folder, name + ".part");
            Directory.CreateDirectory(folder);
            Done = IsWhole(Path);
            if (File.Exists(part)) Offset = (ulong)new FileInfo(part).Length;
            if (Offset >= bytes) Restart();
        }

        public static bool Sound(Welcome.Entry entry)
        {
            return entry.File != null && entry.File.Length == 32 && entry.FileBytes >= 4 && entry.FileBytes <= MaxFileBytes;
        }

        public bool IsOf(byte[] sha256) { return Same(Sha256, sha256); }

        /// <summary>Keeps a chunk; true where it was the one that was asked for.</summary>
        public bool Add(FileChunk chunk)
        {
            ulong wanted = Math.Min(ChunkBytes, bytes - Offset);
            if (Done || chunk.Data == null || chunk.Offset != Offset || (ulong)chunk.Data.Length != wanted
                || !Same(chunk.Sha256, Sha256)) return false;
            using (var file = new FileStream(part, FileMode.Append)) file.Write(chunk.Data, 0, chunk.Data.Length);
            Offset += wanted;
            if (Offset < bytes) return true;
            if (IsWhole(part))
            {
                File.Delete(Path);
                File.Move(part, Path);
                Done = true;
            }
            else Restart(); // not what was offered
            return true;
        }

        void Restart()
        {
            File.Delete(part);
            Offset = 0;
        }

        bool IsWhole(string path)
        {
            if (!File.Exists(path) || (ulong)new FileInfo(path).Length != bytes) return false;
            using (var file = File.OpenRead(path))
            using (var sha = SHA256.Create())
            {
                if (file.ReadByte() != 'g' || file.ReadByte() != 'l' || file.ReadByte() != 'T' || file.ReadByte() != 'F') return false;
                file.Position = 0;
                return Same(sha.ComputeHash(file), Sha256);
            }
        }

        static bool Same(byte[] a, byte[] b)
        {
            if (a == null || b == null || a.Length != b.Length) return false;
            for (int i = 0; i < a.Length; i++) if (a[i] != b[i]) return false;
            return true;
        }
    }
}
