#version 330 core

// The body fills the depth buffer only.

void main()
{
}
