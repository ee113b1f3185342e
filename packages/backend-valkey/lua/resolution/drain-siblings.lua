--- Carries out the sibling cancel of one fired group, with at most so many members that it ends: `drained`, or
-- `partial` when some are left. `replaying` and `ending`: the flow is to be gone on with first.
-- @flags allow-oom
-- @brings nothing
-- @args flow: string, node: string, max: int
-- @reply [outcome: string, siblings: [id: string, disposition: string, via: string][]]
-- @errors corruption schema_mismatch
return function(u, a)
  local f, g = flows.get(u, a[1]), groups.get(u, a[2])
  if not f or not g or g[G.pending] == 0 then
    u.tuples[#u.tuples + 1] = { a[1] .. '|' .. a[2], false }
    flush.run(u)
    return { 'drained', {} }
  end
  if f[F.state] == 'p' then return { 'replaying', {} } end
  if not resolve.is_open(f) then return { 'ending', {} } end
  local told = {}
  local is_done = losers.drain(u, f, a[2], g, a[3], told)
  resolve.fresh(u)
  flush.run(u)
  return { is_done and 'drained' or 'partial', told }
end
