// The definitions, compiled once for all programs of this folder.
#define AMNET_IMPLEMENTATION
#include "amnet.h"
