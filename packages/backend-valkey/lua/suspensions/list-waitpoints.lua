--- The waitpoints of an execution from a position on, oldest first, and how many there are.
-- @flags no-writes
-- @args namespace: string, execution: string, from: int, limit: int
-- @reply [waitpoints: [id: string, name: string, state: string, createdMs: number, expiresMs: number, signals: int][], total: int]
-- @errors corruption schema_mismatch not_found
return function(u, a)
  local x = operators.find(u, a[1], a[2])
  local all, told = waitpoints.all(u, x), {}
  for place = a[3] + 1, math.min(#all, a[3] + a[4]) do told[#told + 1] = waitpoints.tell(u, x, all[place][1], all[place][2]) end
  return { told, #all }
end
