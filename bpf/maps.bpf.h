// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The maps that several program files share, declared once. maps.bpf.c holds the definitions; the
// linker (bpftool gen object) joins the two and refuses a difference. Layouts: bpf/abi/maps.h.
#pragma once

#include "bpf/kernel.h"
#include "bpf/abi/maps.h"

#ifndef FBX_MAP
#define FBX_MAP extern
#endif

struct fbx_ring_map {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
};

// worker number → its ring, put there by the worker.
struct fbx_rings_map {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, FBX_WORKERS);
  __type(key, uint32_t);
  __array(values, struct fbx_ring_map);
};
FBX_MAP struct fbx_rings_map fbx_rings SEC(".maps");

struct fbx_services_map {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, FBX_SERVICES);
  __type(key, uint64_t);
  __type(value, struct fbx_service);
};
FBX_MAP struct fbx_services_map fbx_services SEC(".maps");

struct fbx_near_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, FBX_NEAR_SLOTS);
  __type(key, uint32_t);
  __type(value, struct fbx_near);
};
FBX_MAP struct fbx_near_map fbx_near SEC(".maps");

struct fbx_config_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct fbx_config);
};
FBX_MAP struct fbx_config_map fbx_config SEC(".maps");

struct fbx_asked_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FBX_NR_LIMIT);
  __type(key, uint32_t);
  __type(value, uint32_t);
};
FBX_MAP struct fbx_asked_map fbx_asked SEC(".maps");

struct fbx_workers_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FBX_WORKERS);
  __type(key, uint32_t);
  __type(value, struct fbx_worker);
};
FBX_MAP struct fbx_workers_map fbx_workers SEC(".maps");

struct fbx_counts_map {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, FBX_WORKERS);
  __type(key, uint32_t);
  __type(value, struct fbx_count);
};
FBX_MAP struct fbx_counts_map fbx_counts SEC(".maps");

struct fbx_tuples_map {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, FBX_TUPLES);
  __type(key, struct fbx_tuple);
  __type(value, struct fbx_owner);
};
FBX_MAP struct fbx_tuples_map fbx_tuples SEC(".maps");

struct fbx_tuple_use_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, uint32_t);
  __type(value, struct fbx_tuple_use);
};
FBX_MAP struct fbx_tuple_use_map fbx_tuple_use SEC(".maps");

struct fbx_epochs_map {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, FBX_WORKERS);
  __type(key, uint32_t);
  __type(value, struct fbx_epoch);
};
FBX_MAP struct fbx_epochs_map fbx_epochs SEC(".maps");
