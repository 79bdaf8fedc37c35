// As much of UnityEngine as TwinReceiver calls, so that it compiles, and moves, without the engine.

using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }

    public static class Debug { public static void LogWarning(object message) { Console.Error.WriteLine(message); } }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 operator +(Vector3 a, Vector3 b) { return new Vector3(a.x + b.x, a.y + b.y, a.z + b.z); }
    }

    public struct Quaternion
    {
        public float x, y, z, w;
        public Quaternion(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }
        public static Quaternion Inverse(Quaternion q) { return new Quaternion(-q.x, -q.y, -q.z, q.w); }
        public static Quaternion operator *(Quaternion a, Quaternion b)
        {
            return new Quaternion(
                a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
                a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x,
                a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w,
                a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z);
        }
        public static Vector3 operator *(Quaternion q, Vector3 v)
        {
            Quaternion r = q * new Quaternion(v.x, v.y, v.z, 0) * Inverse(q);
            return new Vector3(r.x, r.y, r.z);
        }
    }

    public class Component
    {
        public Transform transform;
        public string name = "";
        public T[] GetComponentsInChildren<T>(bool inactive) where T : Component
        {
            var found = new List<T>();
            transform.Collect(found);
            return found.ToArray();
        }
        public T GetComponentInChildren<T>() where T : Component
        {
            var found = GetComponentsInChildren<T>(true);
            return found.Length > 0 ? found[0] : null;
        }
    }

    public class MonoBehaviour : Component { }

    public sealed class Transform : Component
    {
        public Transform parent;
        public readonly List<Transform> children = new List<Transform>();
        public readonly List<Component> parts = new List<Component>();
        public Vector3 localPosition;
        public Quaternion localRotation = new Quaternion(0, 0, 0, 1);
        public Transform(string name, Transform parent)
        {
            this.name = name;
            this.parent = parent;
            transform = this;
            if (parent != null) parent.children.Add(this);
        }
        public Quaternion rotation
        {
            get { return parent == null ? localRotation : parent.rotation * localRotation; }
            set { localRotation = parent == null ? value : Quaternion.Inverse(parent.rotation) * value; }
        }
        public Vector3 position
        {
            get { return parent == null ? localPosition : parent.TransformPoint(localPosition); }
            set
            {
                if (parent == null) { localPosition = value; return; }
                Vector3 at = parent.position;
                localPosition = Quaternion.Inverse(parent.rotation) * new Vector3(value.x - at.x, value.y - at.y, value.z - at.z);
            }
        }
        public Vector3 TransformPoint(Vector3 p) { return position + rotation * p; }
        public void Collect<T>(List<T> found) where T : Component
        {
            if (this is T) found.Add((T)(object)this);
            foreach (Component part in parts) if (part is T) found.Add((T)part);
            foreach (Transform child in children) child.Collect(found);
        }
    }

    public enum HumanBodyBones
    {
        Hips, LeftUpperLeg, RightUpperLeg, LeftLowerLeg, RightLowerLeg, LeftFoot, RightFoot, Spine, Chest, Neck, Head,
        LeftShoulder, RightShoulder, LeftUpperArm, RightUpperArm, LeftLowerArm, RightLowerArm, LeftHand, RightHand,
        LeftToes, RightToes, LeftEye, RightEye, Jaw,
        LeftThumbProximal, LeftThumbIntermediate, LeftThumbDistal, LeftIndexProximal, LeftIndexIntermediate,
        LeftIndexDistal, LeftMiddleProximal, LeftMiddleIntermediate, LeftMiddleDistal, LeftRingProximal,
        LeftRingIntermediate, LeftRingDistal, LeftLittleProximal, LeftLittleIntermediate, LeftLittleDistal,
        RightThumbProximal, RightThumbIntermediate, RightThumbDistal, RightIndexProximal, RightIndexIntermediate,
        RightIndexDistal, RightMiddleProximal, RightMiddleIntermediate, RightMiddleDistal, RightRingProximal,
        RightRingIntermediate, RightRingDistal, RightLittleProximal, RightLittleIntermediate, RightLittleDistal,
        UpperChest, LastBone,
    }

    public sealed class Animator : Component
    {
        public readonly Dictionary<HumanBodyBones, Transform> bones = new Dictionary<HumanBodyBones, Transform>();
        public Transform GetBoneTransform(HumanBodyBones bone)
        {
            Transform found;
            return bones.TryGetValue(bone, out found) ? found : null;
        }
    }

    public sealed class Mesh
    {
        public readonly List<string> shapes = new List<string>();
        public int GetBlendShapeIndex(string name) { return shapes.IndexOf(name); }
    }

    public sealed class SkinnedMeshRenderer : Component
    {
        public Mesh sharedMesh;
        public readonly Dictionary<int, float> weights = new Dictionary<int, float>();
        public void SetBlendShapeWeight(int index, float value) { weights[index] = value; }
    }
}
