// Frames that come unevenly, shown evenly on the timeline of their capture; never a step back.
// The rules are those of twinsdk/bridge/jitter.py. No UnityEngine.

using System;
using System.Collections.Generic;

namespace TwinSdk
{
    public sealed class JitterBuffer
    {
        const long GapNs = 1000000000;
        const int Window = 120;

        readonly List<long> times = new List<long>(), lateness = new List<long>(), steps = new List<long>();
        readonly List<TwinFrame> frames = new List<TwinFrame>();
        long delayNs, shownNs, sampledNs;
        bool sampled;

        public long DelayNs { get { return delayNs; } }

        /// <summary>Takes a frame of its own; both times in the local clock.</summary>
        public void Add(TwinFrame frame, long capturedNs, long nowNs)
        {
            if (times.Count > 0)
            {
                long step = capturedNs - times[times.Count - 1];
                if (Math.Abs(step) > GapNs || frame.Descriptor != frames[0].Descriptor) Reset();
                else if (step <= 0) return;
                else Push(steps, step);
            }
            Push(lateness, nowNs - capturedNs);
            times.Add(capturedNs);
            frames.Add(frame);
        }

        /// <summary>Fills the frame to show; false before the first one came.</summary>
        public bool Sample(long nowNs, TwinFrame result)
        {
            if (times.Count == 0) return false;
            shownNs = Math.Max(Math.Max(shownNs, nowNs - Delay(nowNs)), times[0]);
            int after = times.FindIndex(time => time > shownNs);
            if (after < 0) after = times.Count;
            if (after > 2)
            {
                times.RemoveRange(0, after - 2);
                frames.RemoveRange(0, after - 2);
                after = 2;
            }
            int last = times.Count - 1;
            if (after <= last) Between(after - 1, shownNs, result);
            else if (last == 0) Mix(frames[0], frames[0], 0, result);
            else Between(last - 1, times[last] + Math.Min(shownNs - times[last], Quantile(steps, 0.5)), result);
            return true;
        }

        void Reset()
        {
            times.Clear();
            frames.Clear();
            lateness.Clear();
            steps.Clear();
            sampled = false;
            shownNs = 0;
        }

        long Delay(long nowNs)
        {
            long wanted = Quantile(lateness, 0.95) + Quantile(steps, 0.5) * 3 / 2;
            if (!sampled) delayNs = wanted;
            else
            {
                long most = Math.Max(0, nowNs - sampledNs) / 10;
                delayNs += Math.Min(Math.Max(wanted - delayNs, -most), most);
            }
            sampled = true;
            sampledNs = nowNs;
            return delayNs;
        }

        void Between(int first, long atNs, TwinFrame result)
        {
            double amount = (double)(atNs - times[first]) / (times[first + 1] - times[first]);
            Mix(frames[first], frames[first + 1], (float)amount, result);
        }

        static void Mix(TwinFrame a, TwinFrame b, float amount, TwinFrame result)
        {
            TwinFrame near = amount >= 0.5f ? b : a;
            float mixed = Math.Min(amount, 1);
            result.Avatar = near.Avatar;
            result.Sequence = near.Sequence;
            result.Session = near.Session;
            result.Descriptor = near.Descriptor;
            result.CaptureNs = near.CaptureNs;
            result.SendNs = near.SendNs;
            result.Codec = near.Codec;
            result.State = near.State;
            result.Confidence = near.Confidence;
            result.JointConfidence = near.JointConfidence;
            for (int i = 0; i < 3; i++) result.Root[i] = a.Root[i] + amount * (b.Root[i] - a.Root[i]);
            if (result.Rotations.Length != a.Rotations.Length) result.Rotations = new float[a.Rotations.Length];
            for (int j = 0; j < a.Rotations.Length; j += 4) Slerp(a.Rotations, b.Rotations, j, amount, result.Rotations);
            int weights = Math.Min(a.Expressions.Length, b.Expressions.Length);
            if (result.Expressions.Length != weights) result.Expressions = new float[weights];
            for (int i = 0; i < weights; i++)
            {
                result.Expressions[i] = a.Expressions[i] + mixed * (b.Expressions[i] - a.Expressions[i]);
            }
        }

        static void Slerp(float[] a, float[] b, int at, float t, float[] result)
        {
            float cosine = a[at] * b[at] + a[at + 1] * b[at + 1] + a[at + 2] * b[at + 2] + a[at + 3] * b[at + 3];
            float sign = cosine < 0 ? -1 : 1;
            double theta = Math.Acos(Math.Min(1, Math.Abs(cosine)));
            double sine = Math.Sin(theta);
            float wa = (float)(sine < 1e-4 ? 1 - t : Math.Sin((1 - t) * theta) / sine);
            float wb = (float)(sine < 1e-4 ? t : Math.Sin(t * theta) / sine) * sign;
            float square = 0;
            for (int i = at; i < at + 4; i++)
            {
                result[i] = wa * a[i] + wb * b[i];
                square += result[i] * result[i];
            }
            float length = (float)Math.Sqrt(square);
            for (int i = at; i < at + 4; i++) result[i] /= length;
        }

        static void Push(List<long> list, long value)
        {
            list.Add(value);
            if (list.Count > Window) list.RemoveAt(0);
        }

        static long Quantile(List<long> values, double q)
        {
            if (values.Count == 0) return 0;
            var sorted = values.ToArray();
            Array.Sort(sorted);
            return sorted[(int)Math.Round(q * (sorted.Length - 1))];
        }
    }
}
