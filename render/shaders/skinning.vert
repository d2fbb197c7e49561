#version 330 core

// Linear blend skinning of rest vertices straight into camera space (metres, x right, y down,
// z forward), then the pinhole projection. LIT adds the light: order-2 spherical harmonics
// are so smooth that the vertices of a garment sample them finely enough. SHADED cloth: how it changes as
// the normal tilts goes along, so that the fragment shader bends it by one dot product.

layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in uvec4 joints;
layout(location = 3) in vec4 weights;
layout(location = 4) in vec4 texcoord; // xy in metres of fabric, zw into the garment's detail
layout(location = 5) in vec4 tangent;  // xyz towards +u; w the sign of the bitangent (+v)
layout(location = 6) in float arm;     // how much of the vertex hangs on an arm, 0..1

uniform vec4 bones[BONE_ROWS]; // three rows of each 3x4 bone transform
uniform mat4 projection;
uniform float recede; // metres by which the depth test sees the surface further away

#ifdef LIT
uniform vec3 light[9];    // irradiance / pi, linear colour, basis constants multiplied in
#endif

#ifdef PART_IDS
layout(location = 7) in float cover; // of the skin by the worn clothes, 0..1
uniform float leg_bones[BONE_ROWS / 3]; // 1 for a leg's, 2 for a foot's
out vec2 v_part; // 0 trunk and arms, 1 leg, 2 foot; cover
#ifdef LIT
uniform vec3 tone; // of the skin, sRGB under light of 1
out vec3 v_skin;
#endif
#endif

#ifdef SHADED
uniform float grey[9];    // luminance of light
uniform float face_depth; // metres; a sleeve nearer than this is in front of the head
uniform vec2 repeats;     // of the fabric in a metre
// Few and full: a software rasteriser pays by the varying.
out vec4 v_light; // factor to the sRGB-encoded albedo; over 0.5 in w: a sleeve before the face
out vec4 v_texcoord;
out vec2 v_tilt;

const float CRISP = 1.5; // how much more a fold turns the light than its slope says: it shades itself
const float ABOVE = 0.5; // and how much more of it comes from above, which the few coefficients smear
const float RIM = 0.22; // of the light is lost where the cloth turns away: it lies against something
#endif

#ifdef LIT
const vec3 LUMINANCE = vec3(0.2126, 0.7152, 0.0722);
const float GAMMA = 2.2;
const float KNEE = 0.9;
const float CEILING = 1.3;
const vec3 SKIN_RIM = vec3(0.22, 0.27, 0.29);

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
#endif

#ifdef SHADED
// Relative change of the encoded luminance per unit tilt of the normal along t and b.
vec2 tilt(vec3 n, vec3 t, vec3 b, vec3 e)
{
    vec3 gradient = vec3(grey[3] + grey[4] * n.y + grey[7] * n.z + 2.0 * grey[8] * n.x,
                         grey[1] + grey[4] * n.x + grey[5] * n.z - 2.0 * grey[8] * n.y,
                         grey[2] + grey[5] * n.y + grey[7] * n.x + 6.0 * grey[6] * n.z);
    gradient *= CRISP / (GAMMA * max(dot(e, LUMINANCE), 0.02));
    gradient.y -= ABOVE;
    return vec2(dot(gradient, t), dot(gradient, b));
}
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
    vec4 rest = vec4(position, 1.0);
    vec3 camera = vec3(dot(x, rest), dot(y, rest), dot(z, rest));
    gl_Position = projection * vec4(camera, 1.0);
    gl_Position.z -= projection[3][2] * recede / max(camera.z, 0.1);
#ifdef LIT
    vec3 n = normalize(vec3(dot(x.xyz, normal), dot(y.xyz, normal), dot(z.xyz, normal)));
    vec3 e = irradiance(n);
#endif
#ifdef PART_IDS
    v_part = vec2(0.0, cover);
    for (int i = 0; i < 4; ++i)
        v_part.x += weights[i] * leg_bones[int(joints[i])];
#ifdef LIT
    // Light is lost at the rim; what is left there has gone through skin, and is redder.
    float rim = 1.0 - abs(dot(n, normalize(camera)));
    v_skin = tone * encoded(e) * (1.0 - SKIN_RIM * rim * rim);
    // No skin is of one colour.
    vec3 w = sin(position * vec3(61.0, 47.0, 71.0) + 2.0 * sin(position.yzx * vec3(38.0, 53.0, 44.0)));
    v_skin *= 1.0 + 0.014 * (w.x + w.y + w.z) * vec3(0.6, 1.0, 1.1);
#endif
#endif
#ifdef SHADED
    v_light.rgb = encoded(e) * (1.0 - RIM * (1.0 - abs(dot(n, normalize(camera)))));
    v_light.w = camera.z < face_depth ? arm : 0.0;
    v_texcoord = vec4(texcoord.xy * repeats, texcoord.zw);
    vec3 t = vec3(dot(x.xyz, tangent.xyz), dot(y.xyz, tangent.xyz), dot(z.xyz, tangent.xyz));
    t = normalize(t - n * dot(n, t));
    v_tilt = tilt(n, t, cross(n, t) * tangent.w, e);
#endif
}
