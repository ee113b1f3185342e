-- What a claim hands out with an execution: its record, its input where that is long, what its upstreams handed down, and its
-- journal.

-- Upstream results and journal together, upstream first; what is left is paged.
local INLINE_MAX = 262144
-- What a record takes beside its input, about.
local RECORD_BYTES = 512

-- Reads the upstreams' results from the first on, as far as they fit. Answers what is left of the bytes, or -1.
local function take_upstream(u, id, more, left)
  local list = upstreams.of(u, id)
  for place, each in ipairs(list) do
    if place % 64 == 1 then
      local ids = {}
      for ahead = place, math.min(#list, place + 63) do
        if list[ahead][4] then ids[#ids + 1] = list[ahead][2] end
      end
      record.load(u, ids)
    end
    left = left - upstreams.size(u, each)
    if left < 0 then
      more.is_upstream_cut = true
      return -1
    end
    more.upstream[place] = { each[1], each[2], each[3], each[4], upstreams.result(u, each) }
  end
  return left
end

local function take_steps(u, x, more, left)
  local count, bytes = journals.size(u, x)
  if left < 0 then
    more.are_steps_cut = count > 0
    return left
  end
  local at_once = bytes <= left and 1000 or 8
  for from = 1, count, at_once do
    local entries, sizes = journals.read(u, x, from, math.min(count, from + at_once - 1))
    for place, entry in ipairs(entries) do
      left = left - sizes[place]
      if left < 0 then
        more.are_steps_cut = true
        return left
      end
      more.steps[#more.steps + 1] = entry
    end
  end
  return left
end

-- Of most, all that goes with them is in their record.
function handed.is_plain(x)
  return x[X.flow] == '' and x[X.journal] == 0 and x[X.input] ~= 2 and not suspending.is_resumed(x)
end

function handed.plain_size(u, x)
  return record.tail_size(u, x) + RECORD_BYTES
end

-- The same of one that was taken the short way, with its input where that is elsewhere, else false.
function handed.bytes_of(text, input)
  return #text + 1 - plain.over(text) + RECORD_BYTES + (input and #input or 0)
end

-- Of one whose record and input say all, as [id, record, its input where that is elsewhere].
function handed.describe_plain(each, bytes)
  local out = { each[1], #bytes + 1, 0 }
  bytes[#bytes + 1] = each[2]
  if each[3] then
    bytes[#bytes + 1] = each[3]
    out[3] = #bytes
  end
  return out
end

-- Reads what goes with an execution, before it is leased. Answers how many bytes handing it out takes, about.
function handed.prepare(u, x)
  local size = record.tail_size(u, x) + RECORD_BYTES
  if x[X.input] == 2 then
    local key = record.payload_key(u, record.id(u, x), 'input')
    local known = record.payload(u, x, 'input')
    local length = known == true and redis.call('STRLEN', key) or #known
    -- Short ones are in the record.
    if length == 0 then call.refuse('corruption', key) end
    size = size + length
  end
  local is_resumed = suspending.is_resumed(x)
  if is_resumed then size = size + resumptions.size(u, x) end
  if x[X.flow] == '' and x[X.journal] == 0 and not is_resumed then return size end
  local more, left = { upstream = {}, steps = {} }, INLINE_MAX
  if x[X.flow] ~= '' then left = take_upstream(u, record.id(u, x), more, left) end
  if x[X.journal] == 1 then left = take_steps(u, x, more, left) end
  if is_resumed or left < 0 or #more.upstream + #more.steps > 0 then
    u.handed = u.handed or {}
    u.handed[x] = more
  end
  return size + INLINE_MAX - math.max(0, left)
end

-- Of an execution that was prepared: [id, place of its record, place of its input or 0]; and where it has them [upstreams, was
-- cut], of each [name, id, letter, satisfied, place of its result or 0], [places of its entries, was cut], and how its
-- suspension was resumed, see `resumptions`.
function handed.describe(u, x, bytes)
  local function put(text)
    bytes[#bytes + 1] = text
    return #bytes
  end
  local id, more = record.id(u, x), u.handed and u.handed[x]
  local out = { id, put(record.stored(u, x)), 0 }
  if x[X.input] == 2 then out[3] = put(redis.call('GET', record.payload_key(u, id, 'input'))) end
  if more == nil then return out end
  local ups, steps = {}, {}
  for place, each in ipairs(more.upstream) do
    ups[place] = { each[1], each[2], each[3], each[4], each[5] and put(each[5]) or 0 }
  end
  for place, entry in ipairs(more.steps) do steps[place] = put(entry) end
  out[4], out[5] = ups, more.is_upstream_cut or false
  out[6], out[7] = steps, more.are_steps_cut or false
  if suspending.is_resumed(x) then out[8] = resumptions.tell(u, x, bytes) end
  return out
end
