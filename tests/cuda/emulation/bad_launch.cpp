// The same source as C++, for the emulated GPU.
#include "../bad_launch.cu"
