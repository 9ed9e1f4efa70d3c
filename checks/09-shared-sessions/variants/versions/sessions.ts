export interface Sessions {
  begin(user: string, old: string): Promise<string>
  visit(id: string): Promise<{ readonly user: string; readonly visits: number } | undefined>
  add(id: string, item: string): Promise<{ readonly items: number } | undefined>
  end(id: string): Promise<void>
}
