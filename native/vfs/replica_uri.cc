#include "vfs/replica_uri.h"

#include <cstdlib>
#include <cstring>

namespace litestream {

namespace {

const char kById[] = "replica_id=";

bool StartsWith(const char* text, const char* prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

bool IsOurParameter(const std::string& name) {
  // The parameter `at` applies to the connection, so it is not part of the replica's key. If the
  // URIs of two connections differ only in `at`, the connections use one Replica object.
  static const char* const others[] = {"vfs", "mode", "cache", "immutable", "psow", "nolock", "modeof", "at"};
  for (const char* other : others) {
    if (name == other) return false;
  }
  return !name.empty();
}

// For each parameter that is missing in the URI, adds the value of its environment variable. For
// openReplica(), src/replica/options.ts adds the values of the environment variables, so a replica
// handle and a plain URI of one replica have equal keys.
void AddEnvironment(UriParameters* parameters) {
  for (const ReaderParameter& parameter : kReaderParameters) {
    if (parameters->count(parameter.name)) continue;
    if (parameter.needs != nullptr && !parameters->count(parameter.needs)) continue;
    std::string variable = "LITESTREAM_";
    for (const char* c = parameter.name; *c != 0; c++) variable += char(*c == '_' ? '_' : *c - 'a' + 'A');
    const char* value = getenv(variable.c_str());
    if (value != nullptr && *value != 0) (*parameters)[parameter.name] = value;
  }
}

std::string Decode(const char* from, const char* to) {
  std::string text;
  auto hex = [](char c) { return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1; };
  for (; from < to; from++) {
    if (*from == '%' && to - from > 2 && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
      text += char(hex(from[1]) * 16 + hex(from[2]));
      from += 2;
    } else {
      text += *from;
    }
  }
  return text;
}

}  // namespace

std::string ReplicaKey(UriParameters parameters) {
  auto by_id = parameters.find("replica_id");
  if (by_id != parameters.end()) return kById + by_id->second;
  AddEnvironment(&parameters);
  std::string key;
  for (auto& entry : parameters) {
    if (!IsOurParameter(entry.first)) continue;
    // Each line of the key is one parameter, so a line break inside a parameter would look like the
    // start of another parameter. The worker refuses a key that has the parameter line_break
    // (src/replica/key.ts).
    if ((entry.first + entry.second).find('\n') != std::string::npos) return "line_break=in a parameter";
    if (!key.empty()) key += '\n';
    key += entry.first + '=' + entry.second;
  }
  return key;
}

std::string AtParameter(const UriParameters& parameters) {
  auto at = parameters.find("at");
  return at == parameters.end() ? "" : at->second;
}

UriParameters ParseReplicaUri(const char* uri) {
  UriParameters parameters;
  const char* p = strchr(uri, '?');
  while (p != nullptr && *p != 0 && *p != '#') {
    p++;
    const char* end = p + strcspn(p, "&#");
    const char* equals = static_cast<const char*>(memchr(p, '=', size_t(end - p)));
    if (equals == nullptr) equals = end;
    parameters[Decode(p, equals)] = equals < end ? Decode(equals + 1, end) : "";
    p = end;
  }
  return parameters;
}

bool IsReplicaName(const char* name) {
  return strncmp(name, kReplicaMark, sizeof kReplicaMark - 1) == 0 || IsReplicaUri(name);
}

bool IsReplicaUri(const char* name) {
  if (name == nullptr || !StartsWith(name, "file:")) return false;
  for (const char* p = strchr(name, '?'); p != nullptr; p = strchr(p + 1, '&')) {
    if (StartsWith(p + 1, "vfs=litestream") && (p[15] == 0 || p[15] == '&' || p[15] == '#' || p[15] == '-')) return true;
  }
  return false;
}

NameKind KindOfName(const char* name) {
  if (name == nullptr) return NameKind::kFile;
  if (IsReplicaUri(name)) return NameKind::kReplica;
  if (StartsWith(name, "file:")) {
    const UriParameters parameters = ParseReplicaUri(name);
    for (const char* key : {"replica_url", "replica_id"}) {
      auto found = parameters.find(key);
      if (found != parameters.end() && !found->second.empty()) return NameKind::kWithoutVfs;
    }
    return NameKind::kFile;
  }
  for (const char* p = strstr(name, "file:"); p != nullptr; p = strstr(p + 1, "file:")) {
    if ((p[-1] == '/' || p[-1] == '\\') && IsReplicaUri(p)) return NameKind::kPath;
  }
  return NameKind::kFile;
}

bool ReplicaIdOf(const std::string& key, uint32_t* id) {
  if (key.rfind(kById, 0) != 0) return false;
  *id = 0;
  uint64_t number = 0;
  for (const char c : key.substr(strlen(kById))) {
    if (c < '0' || c > '9') return true;
    number = number * 10 + uint64_t(c - '0');
    if (number > UINT32_MAX) return true;
  }
  *id = uint32_t(number);
  return true;
}

}  // namespace litestream
