#version 330 core

// The body, where no garment covers it: the id of the part in the fourth channel. LIT adds its skin, BGR
// (sRGB), and to the id how far worn clothes cover it there.

in vec2 v_part;         // 0 trunk and arms, 1 leg, 2 foot; cover 0..1
#ifdef LIT
in vec3 v_skin;
#endif
uniform float part_ids[3]; // the cover is added in 31 steps

layout(location = 0) out vec4 colour;

void main()
{
    float id = part_ids[int(v_part.x + 0.5)];
#ifdef LIT
    float cover = floor(v_part.y * 31.0 + 0.5);
    colour = vec4(cover > 0.0 ? v_skin.bgr : vec3(0.0), (id + cover) / 255.0);
#else
    colour = vec4(vec3(0.0), id / 255.0);
#endif
}
