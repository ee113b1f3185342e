--- What an extend needs to know of the flow: its state, whether its worker still holds its lease, which of the new nodes
-- are there already and with what content, which of the other nodes are members, and what their upstreams are where they
-- get more.
-- @flags no-writes
-- @args namespace: string, id: string, handle: [execution: string, attempt: int, lease: string, epoch: int][], nodes: string[],
--   ends: string[], targets: string[]
-- @reply [refusal: unknown[], state: string, revision: number, nodes: unknown[], ends: boolean[], targets: unknown[]]
-- @errors corruption schema_mismatch not_found

-- Nodes that are there come with their inputs, and so not all of them may fit into one answer.
local BYTES_MAX = 4194304

local function describe_node(u, a, id, bytes)
  local x = record.get(u, id)
  if not x then return u.hidden[id] and { 'h' } or 0 end
  local of = submits.taken(u, id, x, bytes)
  return { x[X.flow] == a[2] and of[2] == a[1], x[X.name], of[3], of[4], of[5] }
end

local function describe_nodes(u, a, bytes)
  record.load(u, a[4])
  local nodes, size = {}, 0
  for place, id in ipairs(a[4]) do
    if size > BYTES_MAX then break end
    local before = #bytes
    nodes[place] = describe_node(u, a, id, bytes)
    if #bytes > before then size = size + #bytes[#bytes] end
  end
  return nodes
end

return function(u, a)
  local f = flows.find(u, a[1], a[2])
  local refusal = {}
  for _, handle in ipairs(a[3]) do
    local pass, _, _, known = fence.judge(u, { a[1] }, handle, 'e')
    if pass ~= 'held' then refusal = known end
  end
  local bytes, ends, targets = {}, {}, {}
  local nodes = describe_nodes(u, a, bytes)
  record.load(u, a[5])
  for place, id in ipairs(a[5]) do
    local x = record.get(u, id)
    ends[place] = x and x[X.flow] == a[2] or false
  end
  for place, id in ipairs(a[6]) do targets[place] = groups.ins(u, id) end
  return { refusal, f[F.state], f[F.revision], nodes, ends, targets }, bytes
end
