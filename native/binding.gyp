{
  'variables': {
    # node-gyp rebuild --directory native -- -Dsanitize=1: AddressSanitizer and UndefinedBehaviorSanitizer (preload libasan).
    'sanitize%': 0,
  },
  'targets': [
    {
      'target_name': 'sideroute',
      'sources': [
        'src/acceptor.cc',
        'src/acceptor_binding.cc',
        'src/addon.cc',
        'src/detection.cc',
        'src/frontend_table.cc',
        'src/head_gate.cc',
        'src/http1_error.cc',
        'src/http1_fields.cc',
        'src/http1_framing.cc',
        'src/http1_head.cc',
        'src/http1_target.cc',
        'src/lingering_close.cc',
        'src/listener.cc',
        'src/napi_util.cc',
        'src/net_address.cc',
        'src/original_destination.cc',
        'src/passthrough.cc',
        'src/pipe_pool.cc',
        'src/reactor.cc',
        'src/sniff.cc',
        'src/socket.cc',
      ],
      'defines': ['NAPI_VERSION=8'],
      'cflags': ['-Wall', '-Wextra', '-Werror', '-fvisibility=hidden', '-O2', '-g'],
      'cflags!': ['-O3', '-Wno-unused-parameter'],
      'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fno-rtti', '-fvisibility-inlines-hidden'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'conditions': [
        ['sanitize==1', {
          'cflags': ['-fsanitize=address,undefined', '-fno-omit-frame-pointer'],
          'ldflags': ['-fsanitize=address,undefined'],
        }],
      ],
    },
  ],
}
