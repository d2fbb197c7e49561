#version 330 core

// Cloth under the light that the vertices carry. Writes BGR (sRGB) and, in the fourth
// channel, the garment's number, with 128 added where a sleeve is in front of the head.

in vec3 v_light;
in float v_over;
in vec2 v_texcoord;
uniform sampler2D albedo; // sRGB values, unconverted
#ifdef RELIEF
in vec2 v_tilt;
uniform sampler2D relief; // xy of the tangent-space normal, +y up the picture
#endif
uniform vec3 inside; // light on faces seen from their back
uniform float tag;   // number of the garment

layout(location = 0) out vec4 colour;

void main()
{
    vec3 c = texture(albedo, v_texcoord).bgr;
#ifdef RELIEF
    vec2 bump = texture(relief, v_texcoord).xy * 2.0 - 1.0;
    c *= max(1.0 + bump.x * v_tilt.x - bump.y * v_tilt.y, 0.0);
#endif
    c *= gl_FrontFacing ? v_light.bgr : inside.bgr;
    colour = vec4(c, (v_over > 0.5 ? tag + 128.0 : tag) / 255.0);
}
