// SPDX-License-Identifier: Apache-2.0
#include "runner/inject/program.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "runner/sandbox/fd.h"

namespace fbx::inject {
namespace {

constexpr size_t kNotesLimit = 1 << 20;

std::string read_at(int fd, uint64_t offset, uint64_t size) {
  std::string bytes(std::min<uint64_t>(size, kNotesLimit), '\0');
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return bytes;
}

template <typename T>
std::vector<T> read_table(int fd, uint64_t offset, uint64_t count) {
  const std::string bytes = read_at(fd, offset, count * sizeof(T));
  std::vector<T> all(bytes.size() / sizeof(T));
  std::memcpy(all.data(), bytes.data(), all.size() * sizeof(T));
  return all;
}

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

// What the notes of one segment hold.
void read_notes(const std::string& notes, std::string& build_id, bool& go) {
  for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof note);
    const size_t name = at + sizeof note, desc = name + ((size_t{note.n_namesz} + 3) & ~size_t{3});
    if (desc + note.n_descsz > notes.size() || desc < name) return;
    const std::string_view owner(notes.data() + name, note.n_namesz);
    if (owner.starts_with("GNU") && note.n_type == NT_GNU_BUILD_ID)
      build_id = hex({notes.data() + desc, note.n_descsz});
    if (owner.starts_with("Go")) go = true;
    at = desc + ((size_t{note.n_descsz} + 3) & ~size_t{3});
  }
}

// A Go program may have no note of Go's, when the system's linker made it; its data has this
// section (cmd/link: .go.buildinfo).
bool has_go_section(int fd, const Elf64_Ehdr& elf) {
  const auto sections = read_table<Elf64_Shdr>(fd, elf.e_shoff, elf.e_shnum);
  if (elf.e_shstrndx >= sections.size()) return false;
  const Elf64_Shdr& names = sections[elf.e_shstrndx];
  return read_at(fd, names.sh_offset, names.sh_size).find(".go.buildinfo") != std::string::npos;
}

std::string interpreter_of(int fd) {
  const std::string head = read_at(fd, 0, 256);
  if (!head.starts_with("#!")) return "";
  const size_t begin = head.find_first_not_of(" \t", 2);
  if (begin == std::string::npos) return "";
  return head.substr(begin, head.find_first_of(" \t\n", begin) - begin);
}

bool is_shell(const std::string& path) {
  static constexpr std::array kShells{"sh", "dash", "bash", "zsh", "ksh", "busybox"};
  std::error_code error;
  const auto real = std::filesystem::canonical(path, error);
  const std::string name = (error ? std::filesystem::path(path) : real).filename().string();
  return std::ranges::find(kShells, name) != kShells.end();
}

std::string by_file(const std::string& path, const struct stat& info) {
  char text[64];
  std::snprintf(text, sizeof text, ":%lld:%lld.%09ld", static_cast<long long>(info.st_size),
                static_cast<long long>(info.st_mtim.tv_sec), info.st_mtim.tv_nsec);
  return path + text;
}

Program look(const std::string& path, int depth) {
  Program out;
  struct stat info{};
  const sandbox::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd || ::fstat(fd.get(), &info) != 0) return {path, "can't be read", ""};
  if (const std::string interpreter = interpreter_of(fd.get()); !interpreter.empty())
    return depth < 4 ? look(interpreter, depth + 1) : Program{path, "is no program", ""};
  out.identity = by_file(path, info);
  Elf64_Ehdr elf{};
  if (::pread(fd.get(), &elf, sizeof elf, 0) != sizeof elf ||
      std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0) {
    out.past_preload = "is no ELF program";
    return out;
  }
  if (elf.e_ident[EI_CLASS] != ELFCLASS64) {
    out.past_preload = "is a 32-bit program";
    return out;
  }
  bool dynamic = false, go = false;
  std::string build_id;
  for (const Elf64_Phdr& part : read_table<Elf64_Phdr>(fd.get(), elf.e_phoff, elf.e_phnum)) {
    dynamic |= part.p_type == PT_INTERP;
    if (part.p_type == PT_NOTE)
      read_notes(read_at(fd.get(), part.p_offset, part.p_filesz), build_id, go);
  }
  if (!build_id.empty()) out.identity = build_id;
  if (!dynamic) out.past_preload = "is linked statically";
  if (info.st_mode & (S_ISUID | S_ISGID)) out.past_preload = "is setuid, and ignores LD_PRELOAD";
  if (::fgetxattr(fd.get(), "security.capability", nullptr, 0) > 0)
    out.past_preload = "has file capabilities, and ignores LD_PRELOAD";
  if (go || has_go_section(fd.get(), elf)) out.past_libc = "is written in Go";
  if (is_shell(path)) out.past_libc = "is a shell";
  return out;
}

}  // namespace

Program look_at_program(const std::string& path) { return look(path, 0); }

}  // namespace fbx::inject
