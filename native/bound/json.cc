#include "json.h"

#include <cstdlib>

namespace esplanade::bound {
namespace {

const Json kMissing;

class Parser {
 public:
  explicit Parser(const std::string& text) : at_(text.c_str()), end_(at_ + text.size()) {}

  bool Whole(Json* value) {
    if (!Value(value, 0)) return false;
    Skip();
    return at_ == end_;
  }

 private:
  static constexpr int kDeepest = 32;

  void Skip() {
    while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) at_++;
  }
  bool Take(char wanted) {
    Skip();
    if (at_ == end_ || *at_ != wanted) return false;
    at_++;
    return true;
  }
  bool Word(const char* word) {
    const size_t length = std::char_traits<char>::length(word);
    if (static_cast<size_t>(end_ - at_) < length || std::string(at_, length) != word) return false;
    at_ += length;
    return true;
  }

  bool Value(Json* value, int depth) {
    Skip();
    if (at_ == end_ || depth > kDeepest) return false;
    if (*at_ == '{') return Object(value, depth);
    if (*at_ == '[') return List(value, depth);
    if (*at_ == '"') return value->kind = Json::kText, Text(&value->text);
    if (Word("null")) return value->kind = Json::kNull, true;
    value->kind = Json::kBoolean;
    if (Word("true")) return value->boolean = true, true;
    if (Word("false")) return true;
    value->kind = Json::kNumber;
    char* after;
    value->number = std::strtod(at_, &after);
    if (after == at_) return false;
    at_ = after;
    return true;
  }

  bool Object(Json* value, int depth) {
    value->kind = Json::kObject;
    at_++;
    if (Take('}')) return true;
    do {
      std::string name;
      Skip();
      if (!Text(&name) || !Take(':') || !Value(&value->members[name], depth + 1)) return false;
    } while (Take(','));
    return Take('}');
  }

  bool List(Json* value, int depth) {
    value->kind = Json::kList;
    at_++;
    if (Take(']')) return true;
    do {
      value->list.emplace_back();
      if (!Value(&value->list.back(), depth + 1)) return false;
    } while (Take(','));
    return Take(']');
  }

  // Names, addresses and hex need no escapes.
  bool Text(std::string* text) {
    if (at_ == end_ || *at_ != '"') return false;
    const char* first = ++at_;
    while (at_ < end_ && *at_ != '"' && *at_ != '\\') at_++;
    if (at_ == end_ || *at_ != '"') return false;
    text->assign(first, at_++);
    return true;
  }

  const char* at_;
  const char* const end_;
};

}  // namespace

const Json& Json::operator[](const char* name) const {
  const auto found = members.find(name);
  return found == members.end() ? kMissing : found->second;
}

const Json& Json::operator[](size_t index) const { return index < list.size() ? list[index] : kMissing; }

bool ParseJson(const std::string& text, Json* value) { return Parser(text).Whole(value); }

}  // namespace esplanade::bound
