() => {
  // Digits open tabs, arrows go through the examples, unless something is being typed or moved.
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest('input, textarea, select, [role=listbox]')) return;
    const tabs = document.querySelectorAll('button[role=tab]');
    if (/^[1-9]$/.test(event.key) && tabs[event.key - 1]) tabs[event.key - 1].click();
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    const examples = [...document.querySelectorAll('#examples button.thumbnail-item')];
    if (!step || !examples.length || event.target.closest('[role=tablist]')) return;
    const chosen = Number(new URLSearchParams(location.search).get('example') ?? 0);
    examples[(chosen + step + examples.length) % examples.length].click();
  });
}
