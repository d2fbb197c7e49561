#version 330 core

// Cloth under the light that the vertices carry. Writes BGR (sRGB) and, in the fourth
// channel, the garment's id, with 128 added where a sleeve is in front of the head.

in vec4 v_light;
in vec4 v_texcoord;
in vec2 v_tilt;
uniform sampler2D albedo; // sRGB values, unconverted
uniform sampler2D detail; // folds: xy as in relief; z: the share of the light that arrives
#ifdef RELIEF
uniform sampler2D relief; // xy of the tangent-space normal, +y up the picture
#endif
#ifdef FADING
uniform sampler2D next_albedo; // the fabric that comes
#ifdef RELIEF
uniform sampler2D next_relief;
#endif
uniform vec2 next_repeats; // of the coming fabric in one of the old
uniform float share;       // of the coming fabric, 0..1
#endif
uniform vec3 inside; // light on faces seen from their back
uniform float garment_id;

layout(location = 0) out vec4 colour;

void main()
{
    vec3 c = texture(albedo, v_texcoord.xy).bgr;
#ifdef FADING
    c = mix(c, texture(next_albedo, v_texcoord.xy * next_repeats).bgr, share);
#endif
    vec3 fold = texture(detail, v_texcoord.zw).xyz;
    vec2 bump = fold.xy * 2.0 - 1.0;
#ifdef RELIEF
    vec2 weave = texture(relief, v_texcoord.xy).xy;
#ifdef FADING
    weave = mix(weave, texture(next_relief, v_texcoord.xy * next_repeats).xy, share);
#endif
    bump += weave * 2.0 - 1.0;
#endif
    c *= fold.z * (255.0 / 240.0) * max(1.0 + bump.x * v_tilt.x - bump.y * v_tilt.y, 0.3);
    c *= gl_FrontFacing ? v_light.bgr : inside.bgr;
    colour = vec4(c, (v_light.w > 0.5 ? garment_id + 128.0 : garment_id) / 255.0);
}
