// The part of TOML that the settings of a run need: lines `key = value`, where a value is a string,
// a number, a boolean or an array of these on one line. Tables, dates and values over several lines
// are refused with an error that names the line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

struct TomlEntry {
  std::string key;
  std::vector<std::string> values;  // without quotes; one unless it is an array
  std::int64_t line = 0;            // from 1
};

/// Throws amnet::UsageError "<file>:<line>: …", also when the file cannot be read or is not text.
std::vector<TomlEntry> read_toml(const std::filesystem::path& file);

/// Values in TOML syntax. Numbers are read back exactly, to the last bit. Throws amnet::UsageError
/// for text that is not UTF-8.
std::string toml_text(const std::string& value);
std::string toml_text(const std::filesystem::path& value);
std::string toml_text(double value);
std::string toml_text(std::int64_t value);
std::string toml_text(int value);
std::string toml_text(std::uint64_t value);
std::string toml_text(bool value);
std::string toml_text(const std::vector<double>& values);
std::string toml_text(const std::vector<std::string>& values);
/// An array, but of one path that alone.
std::string toml_text(const std::vector<std::filesystem::path>& values);
