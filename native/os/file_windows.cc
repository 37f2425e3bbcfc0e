#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>
#include <winioctl.h>

#include <algorithm>
#include <vector>

#include "os/file.h"

namespace litestream {
namespace os {
namespace {

// Returns the address of the libuv function `name`. The running program (node.exe, or another
// program that embeds Node.js) exports the functions of libuv.
template <typename Function>
Function OfProgram(const char* name) {
  return reinterpret_cast<Function>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(nullptr), name)));
}

constexpr int kIoError = 4070;       // UV_EIO without its sign
constexpr int kNotSupported = 4049;  // UV_ENOTSUP without its sign

int ErrorNumber(DWORD error) {
  static const auto translate = OfProgram<int (*)(int)>("uv_translate_sys_error");
  return translate == nullptr || error == 0 ? kIoError : -translate(int(error));
}
int LastErrorNumber() { return ErrorNumber(GetLastError()); }

std::wstring Wide(const std::string& utf8) {
  const int size = MultiByteToWideChar(CP_UTF8, 0, utf8.data(), int(utf8.size()), nullptr, 0);
  std::wstring wide(size_t(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, utf8.data(), int(utf8.size()), &wide[0], size);
  return wide;
}

OVERLAPPED At(uint64_t position) {
  OVERLAPPED at{};
  at.Offset = DWORD(position);
  at.OffsetHigh = DWORD(position >> 32);
  return at;
}

// The offset of the byte that Lock locks, which is beyond the end of every database. On Windows, a
// lock prevents other handles from reading the locked bytes.
constexpr uint64_t kLockedByte = uint64_t(1) << 62;

int Lock(File file) {
  OVERLAPPED at = At(kLockedByte);
  if (LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &at)) return 0;
  return GetLastError() == ERROR_LOCK_VIOLATION || GetLastError() == ERROR_IO_PENDING ? kLocked : LastErrorNumber();
}

HANDLE Open(const std::wstring& path, DWORD disposition) {
  // An open file can be replaced only if it was opened with FILE_SHARE_DELETE.
  return CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE | DELETE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                     nullptr, disposition, FILE_ATTRIBUTE_NORMAL, nullptr);
}

// The layout of FILE_RENAME_INFO in Windows 10 1607. Older Windows headers lack the member `flags`.
struct RenameInfo {
  DWORD flags;
  HANDLE directory;
  DWORD length;  // length of the name in bytes
  WCHAR name[1];
};
constexpr auto kFileRenameInfoEx = static_cast<FILE_INFO_BY_HANDLE_CLASS>(22);
constexpr DWORD kReplaceIfExists = 1, kPosixSemantics = 2;

constexpr int kNoPosixRename = -1;

// Renames the open file `file` to `path`. A rename with POSIX semantics can replace a file that is
// open. If the file system does not support POSIX semantics (FAT, many network shares), RenameOver
// returns kNoPosixRename.
int RenameOver(HANDLE file, const std::wstring& path) {
  const size_t bytes = path.size() * sizeof(WCHAR);
  std::vector<uint64_t> memory((sizeof(RenameInfo) + bytes) / sizeof(uint64_t) + 1);
  auto* rename = reinterpret_cast<RenameInfo*>(memory.data());
  rename->flags = kReplaceIfExists | kPosixSemantics;
  rename->length = DWORD(bytes);
  std::copy(path.begin(), path.end(), rename->name);
  if (SetFileInformationByHandle(file, kFileRenameInfoEx, rename, DWORD(memory.size() * sizeof(uint64_t)))) return 0;
  switch (GetLastError()) {
    case ERROR_INVALID_PARAMETER:
    case ERROR_INVALID_FUNCTION:
    case ERROR_NOT_SUPPORTED:
    case ERROR_CALL_NOT_IMPLEMENTED:
      return kNoPosixRename;
    default:
      return LastErrorNumber();
  }
}

// Truncates the file `file` to 0 bytes. If a process has mapped the file, Empty fails.
int Empty(HANDLE file) {
  FILE_END_OF_FILE_INFO end{};
  return SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end) ? 0 : LastErrorNumber();
}

int Replace(const std::wstring& path, const std::wstring& temporary, File* out) {
  const HANDLE file = Open(temporary, CREATE_NEW);
  if (file == INVALID_HANDLE_VALUE) return LastErrorNumber();
  int error = Lock(file);
  if (error == 0) error = RenameOver(file, path);
  if (error != 0) {
    CloseHandle(file);
    if (error == kNoPosixRename) DeleteFileW(temporary.c_str());
    return error;
  }
  *out = file;
  return 0;
}

}  // namespace

File FileOfDescriptor(int descriptor) {
  // A descriptor of Node.js is valid only in the program's C library, but the addon has its own C
  // library. To convert the descriptor to a HANDLE, FileOfDescriptor therefore calls a libuv
  // function of the running program.
  static const auto handle_of = OfProgram<HANDLE (*)(int)>("uv_get_osfhandle");
  return handle_of == nullptr ? INVALID_HANDLE_VALUE : handle_of(descriptor);
}

int WriteFully(File file, const uint8_t* bytes, size_t size, uint64_t position) {
  while (size > 0) {
    OVERLAPPED at = At(position);
    DWORD written = 0;
    if (!WriteFile(file, bytes, DWORD(std::min(size, size_t(1) << 30)), &written, &at)) return LastErrorNumber();
    bytes += written;
    position += written;
    size -= written;
  }
  return 0;
}

int ReadFully(File file, uint8_t* out, size_t size, uint64_t position, size_t* got) {
  for (*got = 0; *got < size;) {
    OVERLAPPED at = At(position + *got);
    DWORD n = 0;
    if (!ReadFile(file, out + *got, DWORD(std::min(size - *got, size_t(1) << 30)), &n, &at)) {
      return GetLastError() == ERROR_HANDLE_EOF ? 0 : LastErrorNumber();
    }
    if (n == 0) break;
    *got += n;
  }
  return 0;
}

int TryLock(File file) { return Lock(file); }

int OpenLocked(const std::string& path, const std::string& temporary, bool fresh, bool owned, File* out) {
  const std::wstring wide = Wide(path);
  HANDLE file = Open(wide, OPEN_ALWAYS);
  if (file == INVALID_HANDLE_VALUE) return LastErrorNumber();
  int error = owned ? 0 : Lock(file);
  if (error == 0 && fresh) {
    const HANDLE old = file;
    error = Replace(wide, Wide(temporary), &file);
    if (error == kNoPosixRename) {
      // If `owned` is true, the lock belongs to another handle of this process and ends when that
      // handle is closed, so OpenLocked cannot use the handle `old`.
      error = owned ? kNotSupported : Empty(old);
    } else {
      CloseHandle(old);
      if (error != 0) return error;
    }
  }
  if (error != 0) {
    CloseHandle(file);
    return error;
  }
  DWORD unused = 0;
  // Makes the file sparse, so that a page takes no disk space before it is written.
  DeviceIoControl(file, FSCTL_SET_SPARSE, nullptr, 0, nullptr, 0, &unused, nullptr);
  *out = file;
  return 0;
}

void Close(File file) { CloseHandle(file); }

int Extend(File file, uint64_t size) {
  LARGE_INTEGER now;
  if (!GetFileSizeEx(file, &now)) return LastErrorNumber();
  if (uint64_t(now.QuadPart) >= size) return 0;
  FILE_END_OF_FILE_INFO end;
  end.EndOfFile.QuadPart = LONGLONG(size);
  return SetFileInformationByHandle(file, FileEndOfFileInfo, &end, sizeof end) ? 0 : LastErrorNumber();
}

int Sync(File file) { return FlushFileBuffers(file) ? 0 : LastErrorNumber(); }
int StartFlush(File, uint64_t, uint64_t) { return 0; }
int DropFlushed(File, uint64_t, uint64_t) { return 0; }

int StateOf(File file, FileState* out) {
  BY_HANDLE_FILE_INFORMATION info;
  if (!GetFileInformationByHandle(file, &info)) return LastErrorNumber();
  *out = {(uint64_t(info.nFileSizeHigh) << 32) | info.nFileSizeLow, 0, false};
  return 0;
}

FileStamp StampOf(const char* path) {
  WIN32_FILE_ATTRIBUTE_DATA data;
  if (!GetFileAttributesExW(Wide(path).c_str(), GetFileExInfoStandard, &data)) return {};
  const auto joined = [](DWORD high, DWORD low) { return (uint64_t(high) << 32) | low; };
  const auto nanoseconds = [&](const FILETIME& time) {
    return int64_t(joined(time.dwHighDateTime, time.dwLowDateTime)) * 100;
  };
  return {0, 0, joined(data.nFileSizeHigh, data.nFileSizeLow), nanoseconds(data.ftLastWriteTime),
          nanoseconds(data.ftCreationTime)};
}

bool ReadListed(const std::string&, const ListedFile&, uint8_t*, size_t, uint64_t) { return false; }

// On Windows, a map cannot extend beyond the end of the file, so the file needs another map each
// time it is extended.
int MapFile(File file, size_t size, Map* out) {
  const HANDLE mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, DWORD(uint64_t(size) >> 32), DWORD(size), nullptr);
  if (mapping == nullptr) return LastErrorNumber();
  void* data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, size);
  const int error = data == nullptr ? LastErrorNumber() : 0;
  CloseHandle(mapping);
  if (error == 0) *out = {static_cast<const uint8_t*>(data), size};
  return error;
}

void Unmap(const Map& map) { UnmapViewOfFile(map.data); }

}  // namespace os
}  // namespace litestream
#endif
