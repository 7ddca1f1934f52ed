// Tables of results: lines of cells, each column as wide as its widest cell.
//
//   Table table("Inputs");
//   table.add({"data", "(N,112,96,3)", "activations"});
//   table.print();
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

class Table {
 public:
  explicit Table(std::string title) : title_(std::move(title)) {}
  /// All rows have the same number of cells.
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// Prints the rows under their title; nothing where there are no rows.
  void print() const;

 private:
  std::string title_;
  std::vector<std::vector<std::string>> rows_;
};

/// "430,500 bytes", "1.7 MB"
std::string bytes_text(std::uint64_t bytes);
