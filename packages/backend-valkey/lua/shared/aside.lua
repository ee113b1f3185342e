-- What a step writes beside records: values under keys of their own, and entries of indexes whose subject is gone.

local function list_of(u, name)
  u.aside = u.aside or { puts = {}, drops = {}, cuts = {} }
  return u.aside[name]
end

function aside.put(u, key, text)
  local puts = list_of(u, 'puts')
  puts[#puts + 1] = key
  puts[#puts + 1] = text
end

function aside.drop(u, key)
  local drops = list_of(u, 'drops')
  drops[#drops + 1] = key
end

-- From a sorted set.
function aside.cut(u, key, member)
  local cuts = list_of(u, 'cuts')
  cuts[#cuts + 1] = { key, member }
end

function aside.stage(u, staged)
  if not call.has(u, 'aside') then return end
  for _, text in ipairs(u.aside.puts) do staged.writes[#staged.writes + 1] = text end
  for _, key in ipairs(u.aside.drops) do staged.unlinks[#staged.unlinks + 1] = key end
  for _, cut in ipairs(u.aside.cuts) do staged.cut(cut[1], cut[2]) end
  u.aside = nil
end
