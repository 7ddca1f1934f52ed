// The version of amnet, the one place it is written: CMake reads it from here.
#pragma once

#define AMNET_VERSION_MAJOR 0
#define AMNET_VERSION_MINOR 1
#define AMNET_VERSION_PATCH 0
#define AMNET_VERSION "0.1.0"
