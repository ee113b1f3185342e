-- Where a call comes in: arguments are read and looked at before anything else, errors go out as `FF <code> <detail>`.

-- The one function that a partition need not be prepared for.
local PREPARES = 'maintenance_partition_init'

-- What the server says of itself rather than of the call: clients know these texts.
local OF_THE_SERVER = { '^READONLY', '^OOM', '^MISCONF', '^NOREPLICAS', '^MASTERDOWN', '^CLUSTERDOWN', 'cluster is down' }

local function answer(fault)
  if type(fault) == 'table' and fault.ff then
    return redis.error_reply('FF ' .. fault.ff .. ' ' .. fault.detail)
  end
  local text = type(fault) == 'table' and fault.err or tostring(fault)
  for _, pattern in ipairs(OF_THE_SERVER) do
    if string.find(text, pattern) then return redis.error_reply(text) end
  end
  if string.find(text, 'WRONGTYPE', 1, true) then return redis.error_reply('FF corruption a key holds another type') end
  -- Nothing was read or written beyond what the slot's move allows: the caller comes again.
  for _, moving in ipairs({ 'TRYAGAIN', 'non local key', 'MOVED', 'ASK' }) do
    if string.find(text, moving, 1, true) then return redis.error_reply('TRYAGAIN ' .. text) end
  end
  redis.log(redis.LOG_WARNING, 'flowfabric: ' .. text)
  return redis.error_reply('FF internal ' .. string.sub(string.gsub(text, '[\r\n]', ' '), 1, 200))
end

local function is_count(value)
  return type(value) == 'number' and value >= 0 and value <= 2147483647 and value % 1 == 0
end

local function is_header(header)
  if type(header) ~= 'table' then return false end
  for place = 1, 5 do
    if not is_count(header[place]) then return false end
  end
  if type(header[6]) ~= 'string' or type(header[7]) ~= 'string' then return false end
  local request = header[8]
  return request == nil or (type(request) == 'string' and #request <= 64 and string.find(request, '^[0-9a-f-]+$') ~= nil)
end

-- `keeps`: its answers are kept by the id of the request (see `requests.lua`).
function entry.register(prefix, name, flags, keeps, check, run)
  redis.register_function({
    function_name = prefix .. name,
    flags = flags,
    callback = function(keys, argv)
      local ok, packed = pcall(cmsgpack.unpack, argv[1] or '')
      -- On a Cluster a second key comes along that is never there: see `src/library/invoke.ts`.
      if not ok or #keys == 0 or #keys > 2 or type(packed) ~= 'table' or not is_header(packed[1]) or type(packed[2]) ~= 'table'
        or not check(packed[2]) then
        return redis.error_reply('FF invalid_arguments ' .. name)
      end
      local u
      local done, reply = pcall(function()
        u = call.begin(keys[1], packed[1], argv)
        if name ~= PREPARES then call.require_layout(u) end
        local request = keeps and packed[1][8]
        local known = request and requests.get(u, request)
        if known then return known end
        local told, bytes = run(u, packed[2])
        hints.publish(u)
        local out = { cmsgpack.pack({ told, hints.news(u) }) }
        if bytes then
          for place = 1, #bytes do out[place + 1] = bytes[place] end
        end
        if request then requests.keep(u, request, out) end
        return out
      end)
      if done then return reply end
      -- Others learn what it had written before it failed.
      if u and u.has_written then pcall(hints.publish, u) end
      return answer(reply)
    end,
  })
end
