-- How a suspension was resumed, as claims and repeats of `suspend` are told it.

local BYTES_MAX = 262144

-- The ends of children that it was resumed by: [id, generation, letter] each.
local function ends_of(u, x)
  local key = waits.key(u, x, 'suspension')
  local text = redis.call('GET', key)
  if not text then return {} end
  local ok, kept = pcall(cmsgpack.unpack, text)
  if not ok or type(kept) ~= 'table' or kept[1] ~= 'r' or type(kept[2]) ~= 'table' then call.refuse('corruption', key) end
  return kept[2]
end

-- The first of its signals, whose payloads fit; their sequences, heads and bytes, and whether there are more.
local function inline(u, x)
  local all = signals.used(u, x, x[X.waits][V.id])
  local heads, size = signals.heads(u, x, all), 0
  for place, head in ipairs(heads) do
    size = size + math.max(0, head[7])
    if size > BYTES_MAX then return all, heads, place - 1, true end
  end
  return all, heads, #all, false
end

-- How many bytes it takes to tell it, about.
function resumptions.size(u, x)
  ends_of(u, x)
  local _, heads, count = inline(u, x)
  local size = 0
  for place = 1, count do size = size + 128 + math.max(0, heads[place][7]) end
  return size
end

-- [suspension, letter of who resumed it, ms, ends, was cut, signals].
function resumptions.tell(u, x, bytes)
  local w, rows = x[X.waits], {}
  local all, heads, count, is_cut = inline(u, x)
  for place = 1, count do rows[place] = signals.tell(u, x, all[place], heads[place], bytes) end
  return { w[V.id], w[V.by], w[V.since], ends_of(u, x), is_cut, rows }
end
