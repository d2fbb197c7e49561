#version 330 core

// Linear blend skinning of rest vertices straight into camera space (metres, x right, y down,
// z forward), then the pinhole projection. SHADED adds the light: order-2 spherical harmonics
// are so smooth that the vertices of a garment sample them finely enough; RELIEF adds how the
// light changes as the normal tilts, so that the fragment shader bends it by one dot product.

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in uvec4 joints;
layout(location = 3) in vec4 weights;
layout(location = 4) in vec2 texcoord; // in repeats of the fabric
layout(location = 5) in vec4 tangent;  // xyz towards +u; w the sign of the bitangent (+v)
layout(location = 6) in float inward;
layout(location = 7) in float arm;     // how much of the vertex hangs on an arm, 0..1

uniform vec4 bones[BONE_ROWS]; // three rows of each 3x4 skinning matrix
uniform mat4 projection;
uniform float recede; // metres by which the depth test sees the surface further away

#ifdef SHADED
uniform vec3 light[9];    // irradiance / pi, linear colour, basis constants multiplied in
uniform float face_depth; // metres; a sleeve nearer than this is in front of the head
out vec3 v_light;         // factor to the sRGB-encoded albedo
out vec2 v_texcoord;
out float v_over;
#ifdef RELIEF
out vec2 v_tilt;
#endif

const vec3 LUMINANCE = vec3(0.2126, 0.7152, 0.0722);
const float GAMMA = 2.2;
const float KNEE = 0.9;
const float CEILING = 1.3;
const float RIM = 0.22; // of the light is lost where the cloth turns away: it lies against something

vec3 irradiance(vec3 n)
{
    return light[0] + light[1] * n.y + light[2] * n.z + light[3] * n.x
         + light[4] * (n.x * n.y) + light[5] * (n.y * n.z)
         + light[6] * (3.0 * n.z * n.z - 1.0)
         + light[7] * (n.x * n.z) + light[8] * (n.x * n.x - n.y * n.y);
}

// sRGB(albedo * e) is sRGB(albedo) * e^(1/2.2) to a few percent, which spares the fragment
// shader both conversions. A soft shoulder keeps strong light from clipping at once.
vec3 encoded(vec3 e)
{
    vec3 s = pow(max(e, 0.0), vec3(1.0 / GAMMA));
    vec3 over = max(s - KNEE, 0.0) / (CEILING - KNEE);
    return min(s, KNEE) + (CEILING - KNEE) * over / (1.0 + over);
}

#ifdef RELIEF
// Relative change of the encoded luminance per unit tilt of the normal along t and b.
vec2 tilt(vec3 n, vec3 t, vec3 b, vec3 e)
{
    float l[9];
    for (int i = 1; i < 9; ++i)
        l[i] = dot(light[i], LUMINANCE);
    vec3 gradient = vec3(l[3] + l[4] * n.y + l[7] * n.z + 2.0 * l[8] * n.x,
                         l[1] + l[4] * n.x + l[5] * n.z - 2.0 * l[8] * n.y,
                         l[2] + l[5] * n.y + l[7] * n.x + 6.0 * l[6] * n.z);
    return vec2(dot(gradient, t), dot(gradient, b)) / (GAMMA * max(dot(e, LUMINANCE), 0.02));
}
#endif
#endif

void main()
{
    vec4 x = vec4(0.0);
    vec4 y = vec4(0.0);
    vec4 z = vec4(0.0);
    for (int i = 0; i < 4; ++i) {
        int row = 3 * int(joints[i]);
        float w = weights[i];
        x += w * bones[row];
        y += w * bones[row + 1];
        z += w * bones[row + 2];
    }
    vec4 rest = vec4(position - inward * normal, 1.0);
    vec3 camera = vec3(dot(x, rest), dot(y, rest), dot(z, rest));
    gl_Position = projection * vec4(camera, 1.0);
    gl_Position.z -= projection[3][2] * recede / max(camera.z, 0.1);
#ifdef SHADED
    vec3 n = normalize(vec3(dot(x.xyz, normal), dot(y.xyz, normal), dot(z.xyz, normal)));
    vec3 e = irradiance(n);
    v_light = encoded(e) * (1.0 - RIM * (1.0 - abs(dot(n, normalize(camera)))));
    v_texcoord = texcoord;
    v_over = camera.z < face_depth ? arm : 0.0;
#ifdef RELIEF
    vec3 t = vec3(dot(x.xyz, tangent.xyz), dot(y.xyz, tangent.xyz), dot(z.xyz, tangent.xyz));
    t = normalize(t - n * dot(n, t));
    v_tilt = tilt(n, t, cross(n, t) * tangent.w, e);
#endif
#endif
}
