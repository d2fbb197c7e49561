#version 330 core

// The body, where no cloth covers it: its skin, BGR (sRGB), and in the fourth channel of which part, and
// how far worn cloth covers it there.

in vec2 v_part;         // 0 trunk and arms, 1 leg, 2 foot; cover 0..1
in vec3 v_skin;
uniform float marks[3]; // of the parts; the cover is added in 31 steps

layout(location = 0) out vec4 colour;

void main()
{
    float cover = floor(v_part.y * 31.0 + 0.5);
    colour = vec4(cover > 0.0 ? v_skin.bgr : vec3(0.0), (marks[int(v_part.x + 0.5)] + cover) / 255.0);
}
