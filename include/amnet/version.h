// The version of amnet, defined only here: CMake reads it from this file.
#pragma once

#define AMNET_VERSION_MAJOR 0
#define AMNET_VERSION_MINOR 1
#define AMNET_VERSION_PATCH 0
#define AMNET_VERSION "0.1.0"
