"""safetensors.py: reads a .safetensors file by its published format alone (eight bytes of length, a JSON header, bytes),
and prints as JSON what it holds: metadata, and of each tensor dtype, shape and values as hexadecimal. Python's own modules only."""
import json
import struct
import sys
import zlib

SIZES = {'F32': 4, 'F64': 8}
data = open(sys.argv[1], 'rb').read()
(length,) = struct.unpack_from('<Q', data)
header = json.loads(data[8:8 + length].decode('utf-8'))
metadata = header.pop('__metadata__', {})
assert all(isinstance(value, str) for value in metadata.values()), 'metadata are strings'
body, at, tensors = data[8 + length:], 0, {}
for name, entry in sorted(header.items(), key=lambda item: item[1]['data_offsets']):
    begin, end = entry['data_offsets']
    count = 1
    for n in entry['shape']:
        count *= n
    assert begin == at and end - begin == count * SIZES[entry['dtype']], f'{name} lies at {begin}..{end}'
    tensors[name] = {'dtype': entry['dtype'], 'shape': entry['shape'], 'hex': body[begin:end].hex()}
    at = end
assert at == len(body), 'nothing behind the tensors'
sum_at = data.index(metadata['checksum'].encode())
print(json.dumps({'metadata': metadata, 'tensors': tensors, 'checksum': f'{zlib.crc32(data[:sum_at] + data[sum_at + 8:]):08x}'}))
