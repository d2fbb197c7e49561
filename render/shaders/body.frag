#version 330 core

// The body leaves a mark in the fourth channel: where no cloth covers it, and of which part.

in float v_leg; // 0 trunk and arms, 1 leg, 2 foot
uniform float marks[3]; // of these

layout(location = 0) out vec4 colour;

void main()
{
    colour = vec4(0.0, 0.0, 0.0, marks[int(v_leg + 0.5)] / 255.0);
}
