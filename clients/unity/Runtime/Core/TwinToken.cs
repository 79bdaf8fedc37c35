// The one line of text by which a device is paired. No UnityEngine.

using System;
using System.Security.Cryptography;
using System.Text;

namespace TwinSdk
{
    /// <summary>The one line of text that lets a device in.</summary>
    public static class TwinToken
    {
        const string Start = "twin1-", Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

        public static bool IsToken(string text) { return text.Trim().StartsWith(Start, StringComparison.Ordinal); }

        /// <summary>Returns the endpoint in a token and its keys; the public key is left to the transport.</summary>
        /// <exception cref="ArgumentException">It is no token, or was not copied whole.</exception>
        public static string Parse(string text, out TwinKeys keys)
        {
            byte[] data;
            try
            {
                string encoded = text.Trim().Substring(IsToken(text) ? Start.Length : 0).Replace('-', '+').Replace('_', '/');
                data = Convert.FromBase64String(encoded + new string('=', (4 - encoded.Length % 4) % 4));
            }
            catch (FormatException) { data = new byte[0]; }
            bool whole = IsToken(text) && data.Length > 68;
            if (whole)
            {
                using (var sha = SHA256.Create())
                {
                    byte[] digest = sha.ComputeHash(data, 4, data.Length - 4);
                    for (int i = 0; i < 4; i++) whole &= digest[i] == data[i];
                }
            }
            if (!whole) throw new ArgumentException("expected a whole line that starts with " + Start);
            keys = new TwinKeys { ServerPublic = Encode(data, 4), ClientSecret = Encode(data, 36) };
            return Encoding.UTF8.GetString(data, 68, data.Length - 68);
        }

        /// <summary>Returns the 32 bytes of a key in Z85.</summary>
        public static byte[] Decode(string key)
        {
            var data = new byte[32];
            for (int block = 0; block < 8; block++)
            {
                uint value = 0;
                for (int i = 0; i < 5; i++) value = value * 85 + (uint)Z85.IndexOf(key[5 * block + i]);
                for (int i = 0; i < 4; i++) data[4 * block + i] = (byte)(value >> (24 - 8 * i));
            }
            return data;
        }

        static string Encode(byte[] data, int at)
        {
            var text = new StringBuilder(40);
            for (int block = at; block < at + 32; block += 4)
            {
                uint value = (uint)data[block] << 24 | (uint)data[block + 1] << 16 | (uint)data[block + 2] << 8 | data[block + 3];
                for (uint divisor = 85 * 85 * 85 * 85; divisor > 0; divisor /= 85) text.Append(Z85[(int)(value / divisor % 85)]);
            }
            return text.ToString();
        }
    }
}
