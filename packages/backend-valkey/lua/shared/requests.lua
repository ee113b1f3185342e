-- Answers that are kept for a while, so that a call that is sent again, since its answer was lost, is answered the same and
-- does nothing twice. Needed where the state that the first one left would answer otherwise; the header of such a function
-- says `@repeat request`. The caller names each call by a random id and repeats it under the same.

local KEPT_MS = 60000

local function key_of(u, request)
  return u.key.idx .. 'req:' .. request
end

-- What the same call was answered, or nil. Read before anything else: while the slot moves to another node it fails here,
-- so that the answer can be kept after the work.
function requests.get(u, request)
  local text = redis.call('GET', key_of(u, request))
  if not text then return nil end
  local ok, answer = pcall(cmsgpack.unpack, text)
  if not ok or type(answer) ~= 'table' then call.refuse('corruption', key_of(u, request)) end
  return answer
end

-- Keeps the whole answer, with its news and bytes. The last write of its call, and one that cannot fail.
function requests.keep(u, request, answer)
  redis.call('SET', key_of(u, request), cmsgpack.pack(answer), 'PX', KEPT_MS)
end
