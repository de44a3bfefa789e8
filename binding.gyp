{
  "variables": {
    # Intel's ipsec-mb makes AES-GCM two to four times as fast; it is linked statically where its headers are there.
    "ipsec_mb%": "<!(node scripts/ipsec-mb.mjs)",
    # `npm run bench:bound` sets it: the all-C++ gateway that benchmarks compare with.
    "bound%": 0,
    # `npm run package` sets it: an addon for machines that are not this one, see native/old_glibc.cc.
    "prebuild%": 0,
  },
  "target_defaults": {
    "cflags_cc!": ["-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++17", "-O3", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-fvisibility=hidden", "-fno-exceptions"],
    # The last: a Worker that is being terminated takes no exceptions, and must not die of one.
    "defines": ["NAPI_VERSION=9", "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS", "NODE_ADDON_API_ENABLE_MAYBE", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
  },
  "targets": [
    {
      "target_name": "esplanade",
      "sources": [
        "native/addon.cc",
        "native/checksum.cc",
        "native/cipher.cc",
        "native/cipher_binding.cc",
        "native/cipher_hmac.cc",
        "native/cipher_ipsec_mb.cc",
        "native/cipher_key.cc",
        "native/cipher_openssl.cc",
        "native/cipher_vaes.cc",
        "native/datagram.cc",
        "native/des.cc",
        "native/error_queue.cc",
        "native/join.cc",
        "native/key_exchange.cc",
        "native/key_exchange_binding.cc",
        "native/key_memory.cc",
        "native/key_vault.cc",
        "native/lane.cc",
        "native/lane_core.cc",
        "native/modp.cc",
        "native/netlink.cc",
        "native/opening.cc",
        "native/pace.cc",
        "native/poller.cc",
        "native/process.cc",
        "native/raw.cc",
        "native/segment.cc",
        "native/sniffer.cc",
        "native/tun.cc",
        "native/udp.cc",
      ],
      "conditions": [
        ["ipsec_mb==1", {"defines": ["WITH_IPSEC_MB"], "libraries": ["-l:libIPSec_MB.a"]}],
        ["prebuild==1", {
          "sources": ["native/old_glibc.cc"],
          "defines!": ["_FILE_OFFSET_BITS=64"],
          "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections", "-Wl,--version-script=../native/exports.map", "-s"],
        }],
      ],
    },
    # The benchmark's UDP load generator: a program of its own, so that it is the same for every candidate.
    {
      "target_name": "esplanade-load",
      "type": "executable",
      "sources": [
        "native/load/main.cc",
        "native/load/ndr.cc",
        "native/load/options.cc",
        "native/load/receiver.cc",
        "native/load/socket.cc",
        "native/load/step.cc",
      ],
      "libraries": ["-pthread"],
    },
  ],
  "conditions": [
    ["bound==1", {
      "targets": [
        {
          "target_name": "esplanade-bound",
          "type": "executable",
          "sources": [
            "native/bound/config.cc",
            "native/bound/engine.cc",
            "native/bound/flow.cc",
            "native/bound/json.cc",
            "native/bound/main.cc",
            "native/bound/network.cc",
            "native/checksum.cc",
            "native/cipher.cc",
            "native/cipher_hmac.cc",
            "native/cipher_ipsec_mb.cc",
            "native/cipher_key.cc",
            "native/cipher_openssl.cc",
            "native/cipher_vaes.cc",
            "native/des.cc",
            "native/error_queue.cc",
            "native/join.cc",
            "native/key_memory.cc",
            "native/lane_core.cc",
            "native/pace.cc",
            "native/raw.cc",
            "native/segment.cc",
            "native/tun.cc",
            "native/udp.cc",
          ],
          "include_dirs": ["native"],
          # The addon takes OpenSSL from Node; a program of its own takes the system's.
          "libraries": ["-lcrypto"],
          "conditions": [
            ["ipsec_mb==1", {"defines": ["WITH_IPSEC_MB"], "libraries": ["-l:libIPSec_MB.a"]}],
          ],
        },
      ],
    }],
  ],
}
