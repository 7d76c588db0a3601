import { DeactivateForm } from "./deactivate-form";

export default function Page() {
  return (
    <main>
      <h1>Deactivate access</h1>
      <DeactivateForm />
    </main>
  );
}
