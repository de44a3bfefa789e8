// Just enough JSON (RFC 8259) to read a configuration that `esplanade check` has accepted.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace esplanade::bound {

struct Json {
  enum Kind { kNone, kNull, kBoolean, kNumber, kText, kList, kObject } kind = kNone;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<Json> list;
  std::map<std::string, Json> members;

  // kNone when there is no such member or element.
  const Json& operator[](const char* name) const;
  const Json& operator[](size_t index) const;
  std::string TextOr(const char* fallback) const { return kind == kText ? text : fallback; }
};

// False when the text is no JSON.
bool ParseJson(const std::string& text, Json* value);

}  // namespace esplanade::bound
